import { mkdir, open, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from './sync-directory.ts';

/** What is to take the place of a file: whole and durable already, beside it. */
export interface StagedFile {
  /** From here on it is the file: there is no moment, and no crash, in which the path leads to anything else. */
  commit(): Promise<void>;
  discard(): Promise<void>;
}

/**
 * INVARIANT: one at a time for each path. What a crash has left is overwritten.
 * @throws Error of node:fs, as where the disk is full; then nothing is left
 */
export async function stageFile(path: string, text: string): Promise<StagedFile> {
  // A link stays one.
  const target = await realpath(path).catch(() => path);
  const staged = `${target}.new`;
  const discard = (): Promise<void> => rm(staged, { force: true });
  await mkdir(dirname(target), { recursive: true });
  await discard();
  try {
    const file = await open(staged, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await likeBefore(file, target);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    await discard().catch(() => undefined);
    throw error;
  }
  return {
    discard,
    commit: async () => {
      await rename(staged, target);
      await syncDirectory(dirname(target));
    },
  };
}

/** Whoever could edit the file still can, as far as that is ours to give. */
async function likeBefore(file: FileHandle, target: string): Promise<void> {
  const before = await stat(target).catch(() => undefined);
  if (!before) return;
  await file.chmod(before.mode & 0o777);
  await file.chown(before.uid, before.gid).catch(() => undefined);
}
