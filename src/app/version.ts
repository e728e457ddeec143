import { readFileSync } from 'node:fs';

/** Of the program on the disk, which may be another one than that which runs. */
export function versionOnDisk(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
