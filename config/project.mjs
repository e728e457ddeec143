import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Everything the scripts fetch or keep; deleting it costs time, nothing else. */
export const state = join(root, '.tagwarden');

const nodeModules = join(root, 'node_modules');
const dist = join(root, 'dist');
const installStamp = join(nodeModules, '.tagwarden-stamp');
const buildStamp = '.tagwarden-stamp';

/** What the user can do something about: printed as one sentence, without a stack. */
export class CannotContinue extends Error {}

/** Runs a script's main function; a reason to stop is a sentence and exit code 1. */
export async function runScript(main) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof CannotContinue ? error.message : error);
    process.exitCode = 1;
  }
}

/** Runs a program to its end, its output on stderr: stdout belongs to the server's log lines. */
export function run(program, args, { why, ...options } = {}) {
  const result = spawnSync(program, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
  if (result.status === 0) return;
  const how = result.error?.message ?? `exit code ${result.status ?? result.signal}`;
  throw new CannotContinue(`${why ?? `${program} ${args.join(' ')}`} failed (${how}).`);
}

/** `npm ci`, but only if what is to be installed is not what was installed last. */
export function installDependencies() {
  const wanted = dependenciesHash();
  if (readStamp(installStamp) === wanted) return;
  console.error('Installing the npm packages …');
  run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund'], { why: 'Installing the npm packages' });
  writeFileSync(installStamp, wanted);
}

/** `tsc`, but only if the sources are not those of the last build. */
export function build(options = []) {
  const wanted = sourcesHash();
  if (readStamp(join(dist, buildStamp)) === wanted) return;
  console.error('Building …');
  // Aside, and then in one step to its place: a server may be running from there.
  mkdirSync(state, { recursive: true });
  const fresh = mkdtempSync(join(state, 'dist-'));
  const compiler = join(nodeModules, 'typescript/bin/tsc');
  const args = [compiler, '-p', 'config/tsconfig.build.json', '--outDir', fresh, ...options];
  try {
    run(process.execPath, args, { why: 'The build' });
    writeFileSync(join(fresh, buildStamp), wanted);
    rmSync(dist, { recursive: true, force: true });
    renameSync(fresh, dist);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function dependenciesHash() {
  const { dependencies, devDependencies, overrides } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  const lock = readFileSync(join(root, 'package-lock.json'));
  return hash([JSON.stringify({ dependencies, devDependencies, overrides }), lock]);
}

function sourcesHash() {
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const settings = ['tsconfig.json', 'config/tsconfig.build.json'].map((name) => join(root, name));
  return hash([
    dependenciesHash(),
    ...[...settings, ...sources].flatMap((file) => [file, readFileSync(file)]),
  ]);
}

function hash(parts) {
  const sum = createHash('sha256');
  // The length keeps "ab" + "c" and "a" + "bc" apart.
  for (const part of parts) sum.update(`${Buffer.byteLength(part)}:`).update(part);
  return sum.digest('hex');
}

function readStamp(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
