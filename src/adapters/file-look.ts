import { constants, open, type FileHandle } from 'node:fs/promises';
import { unreadable } from '../config/files.ts';

/** What a path led to at one moment: a text, or why there is none. */
export type Look = SeenText | { readonly failure: string };

interface SeenText {
  readonly text: string;
  /** Which file it was, whatever it is called. */
  readonly inode: string;
  /** Changes whenever the file does. */
  readonly stamp: string;
}

/**
 * Never rejects. Opens the path anew each time, through whatever links it has by then; where the file still is the one
 * of `known`, it is not read again.
 */
export async function lookAt(path: string, sizeLimitBytes: number, known?: Look): Promise<Look> {
  try {
    // Non-blocking: opening a pipe that nobody writes to would never come back.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return await lookInto(file, sizeLimitBytes, known);
    } finally {
      await file.close();
    }
  } catch (error) {
    return { failure: unreadable(error) };
  }
}

async function lookInto(file: FileHandle, sizeLimitBytes: number, known?: Look): Promise<Look> {
  const stat = await file.stat({ bigint: true });
  if (!stat.isFile()) return { failure: 'it is not a file' };
  if (stat.size > sizeLimitBytes) return { failure: `it is larger than ${sizeLimitBytes} bytes` };
  const inode = `${stat.dev}:${stat.ino}`;
  const stamp = [inode, stat.size, stat.mtimeNs, stat.ctimeNs].join(':');
  if (known && 'stamp' in known && known.stamp === stamp) return known;
  return { inode, stamp, text: new TextDecoder('utf-8', { fatal: true }).decode(await file.readFile()) };
}

/** Whether there was nothing at all. */
export function isAbsent(look: Look): boolean {
  return 'failure' in look && look.failure.startsWith('ENOENT:');
}

export function isSame(one: Look, other: Look): boolean {
  if ('text' in one) return 'text' in other && one.text === other.text;
  return 'failure' in other && one.failure === other.failure;
}

/** Whether another file took the place of the first at once, by a rename or a link that was swapped. */
export function isReplacement(before: Look, after: Look): boolean {
  return 'inode' in before && 'inode' in after && before.inode !== after.inode;
}
