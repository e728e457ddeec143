import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, run } from './project.mjs';
import { compileAll } from './typescript-once.mjs';

/** Runs tap, its output on stdout; no process of its compiles anything. */
export async function runTap(args) {
  await compileAll();
  const imported = `--import=${pathToFileURL(join(root, 'config/typescript-import.mjs'))}`;
  run(process.execPath, ['node_modules/.bin/tap', ...args], {
    why: 'The tests',
    stdio: ['ignore', 1, 2],
    env: { ...process.env, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} ${imported}`.trim() },
  });
}
