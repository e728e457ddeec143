import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { KeyPath } from '../config/schema.ts';

/**
 * Keeps a second process of this machine away from a file, for as long as this one lives: it listens on a socket that
 * has the file's name in the abstract namespace (unix(7)) and so leaves nothing behind that could be stale. Linux alone
 * has it; elsewhere nothing is locked.
 * @param key that names the file in the configuration
 * @returns what ends it
 * @throws Error where another process has the file
 */
export async function lockFile(path: string, key: KeyPath): Promise<() => void> {
  if (process.platform !== 'linux') return () => undefined;
  const name = createHash('sha256').update(path).digest('hex');
  const lock = createServer().listen(`\0tagwarden-${name}`);
  try {
    await once(lock, 'listening');
  } catch (error) {
    const message = `${path} is in use by another Tagwarden; give each its own ${key}`;
    throw (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      ? new Error(message, { cause: error })
      : error;
  }
  lock.unref();
  return () => {
    lock.close();
  };
}
