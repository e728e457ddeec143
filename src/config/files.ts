import { readFileSync } from 'node:fs';
import { Invalid } from './complaints.ts';
import { path, type Kind } from './kinds.ts';
import { Secret } from './secret.ts';

/** @throws Invalid, which says why it cannot be read */
export function readText(file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    throw new Invalid(`cannot read ${file}: ${unreadable(error)}; give a file that is there and may be read`);
  }
}

/** Why a file cannot be read, as `ENOENT: no such file or directory`. */
export function unreadable(error: unknown): string {
  return error instanceof Error ? error.message.replace(/, \w+(?: '.*')?$/, '') : String(error);
}

/** A key that names a file and whose value is what the file holds: read with the rest, so that its errors are told with the rest. */
function fileOf<Value>(read: (text: string, file: string) => Value): Kind<Value> {
  const open = (text: string, directory: string) => {
    const file = path.fromText(text, directory);
    return read(readText(file), file);
  };
  return {
    ...path,
    fromText: open,
    fromEntry: (entry, directory) => entry.parse((text) => open(text, directory)),
  };
}

export const secretFile = fileOf((text, file) => {
  const secret = text.trim();
  if (secret === '') throw new Invalid(`${file} is empty; write the secret into it`);
  return new Secret(secret);
});

export const certificateFile = fileOf((text, file) => {
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw new Invalid(`${file} holds no certificate (PEM)`);
});
