import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { state } from './project.mjs';

/** Where the programs that were fetched for this project alone stand (config/debian.mjs). */
export const fetchedPrograms = join(state, 'debian/programs');

// A user's PATH often lacks sbin. What the machine has itself comes before what was fetched.
export const searchPath = [process.env.PATH ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin', fetchedPrograms]
  .join(delimiter)
  .split(delimiter)
  .filter((directory) => directory !== '');

/** The environment in which every found program finds the programs that it needs itself. */
export const programEnvironment = { ...process.env, PATH: searchPath.join(delimiter) };

/** The first of these programs that can be run: its path. */
export function findProgram(...names) {
  return names.flatMap((name) => searchPath.map((directory) => join(directory, name))).find(isExecutable);
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
