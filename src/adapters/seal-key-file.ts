import { randomBytes, randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { sealKeyBytes } from './upload-seals.ts';

/**
 * Reads the key, or makes one at the first start. Workers that start at once get the same one.
 * @throws Error where the file cannot be read, made, or holds something else
 */
export function openSealKey(path: string): Buffer {
  const text = readText(path) ?? makeKey(path);
  const key = Buffer.from(text.trim(), 'base64');
  if (key.length !== sealKeyBytes || key.toString('base64') !== text.trim())
    throw new Error(
      `${path}: must be ${sealKeyBytes} random bytes in base64; openssl rand -base64 ${sealKeyBytes}, or remove it, and one is made`,
    );
  return key;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whole or not at all: the first one to link it makes it, whoever else tries. */
function makeKey(path: string): string {
  mkdirSync(dirname(path), { recursive: true });
  const made = `${path}.${randomUUID()}`;
  writeFileSync(made, `${randomBytes(sealKeyBytes).toString('base64')}\n`, { mode: 0o600, flag: 'wx' });
  try {
    linkSync(made, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(made, { force: true });
  }
  return readFileSync(path, 'utf8');
}
