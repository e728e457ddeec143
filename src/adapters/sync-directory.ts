import { open } from 'node:fs/promises';

/** Else a name in it may not be there, or stand for an old file, after a crash. Some file systems cannot, and need not. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path).catch(() => undefined);
  await directory?.sync().catch(() => undefined);
  await directory?.close();
}
