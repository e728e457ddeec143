import { dirname, resolve } from 'node:path';
import { Invalid } from './complaints.ts';
import { readDocument } from './document.ts';
import type { Entry } from './entry.ts';
import { readText } from './files.ts';
import { keyPaths, keys, type KeyPath } from './schema.ts';
import type { Setting, Source } from './sources.ts';

/**
 * Reads the config file. Paths in it are relative to its own directory, so that it can be used from anywhere.
 * @param path as the user wrote it: errors name it so
 */
export function readConfigFile(path: string, place: string, workingDirectory: string): Source {
  const absolute = resolve(workingDirectory, path);
  let text: string;
  try {
    text = readText(absolute);
  } catch (error) {
    if (error instanceof Invalid) return { settings: new Map(), errors: [`${place}: ${error.message}`] };
    throw error;
  }
  const settings = new Map<KeyPath, Setting>();
  const outcome = readDocument(text, (root) => {
    readSection({ section: root, prefix: '', file: path, directory: dirname(absolute), settings });
    return settings;
  });
  const errors = 'errors' in outcome ? outcome.errors.map((error) => `${path}:${error}`) : [];
  return { settings, errors };
}

interface SectionReading {
  readonly section: Entry;
  /** Of the paths of its keys, as `auth.keys.`; empty at the top. */
  readonly prefix: string;
  readonly file: string;
  readonly directory: string;
  readonly settings: Map<KeyPath, Setting>;
}

function readSection(reading: SectionReading): void {
  const { section, prefix, file, directory, settings } = reading;
  const paths = keyPaths.filter((path) => path.startsWith(prefix));
  const names = [...new Set(paths.map((path) => path.slice(prefix.length).replace(/\..*/, '')))];
  const fields = section.fields(names);
  for (const name of names) {
    const entry = fields?.get(name);
    if (!entry) continue;
    const path = paths.find((candidate) => candidate === prefix + name);
    if (path) {
      const value: unknown = keys[path].kind.fromEntry(entry, directory);
      settings.set(path, { value, place: `${file}:${entry.position} ${path}` });
    } else {
      readSection({ ...reading, section: entry, prefix: `${prefix}${name}.` });
    }
  }
}
