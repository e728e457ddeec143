import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fetchedPrograms, findProgram, programEnvironment } from './programs.mjs';
import { CannotContinue, root, state } from './project.mjs';

const models = join(root, 'test/model');
const mostMs = 300_000;
const mostDepth = 100_000;
/** Of memory for one variant. */
const mostMebibytes = 1_500;

/**
 * Has spin look at every state that a variant of a model can come to.
 * @returns {Promise<{ result: string, states: number, trail: string }>} `result` as in test/model/variants.mjs, or why
 *   there is none; `trail`: how a promise is broken, step by step
 */
export async function checkVariant(variant) {
  mkdirSync(state, { recursive: true });
  const directory = mkdtempSync(join(state, 'model-'));
  try {
    writeFileSync(join(directory, 'variant.pml'), sourceOf(variant));
    await call(directory, findProgram('spin'), ['-a', 'variant.pml']);
    const options = [
      variant.isLarge ? '-O1' : '-O0',
      '-DSAFETY',
      '-DCOLLAPSE',
      `-DMEMLIM=${mostMebibytes}`,
      '-w',
    ];
    await call(directory, findProgram('gcc'), [...options, ...linkOptions(), '-o', 'pan', 'pan.c']);
    const { output, status } = await call(directory, join(directory, 'pan'), [`-m${mostDepth}`, '-w20'], {
      mayFail: true,
    });
    const result = resultOf(output, status);
    const hasTrail = existsSync(join(directory, 'variant.pml.trail'));
    const trail = hasTrail
      ? await call(directory, findProgram('spin'), ['-t', '-p', 'variant.pml'])
      : undefined;
    const states = Number(/(\d+) states, stored/.exec(output)?.[1] ?? 0);
    return { result, states, trail: trail ? readable(trail.output) : '' };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What is left out, and what may go wrong, in front of the model. */
export function sourceOf({ model, without = [], with: faults = [], told }) {
  const settings = [
    ...without.map((clause) => `${clause} false`),
    ...faults.map((fault) => (fault.includes('=') ? fault.replace('=', ' ') : `${fault} true`)),
    ...(told ? [`NEVER_TOLD (${told})`] : []),
  ];
  return [
    ...settings.map((setting) => `#define ${setting}`),
    `#include "${join(models, model)}.pml"`,
    '',
  ].join('\n');
}

/** A search that was not finished has shown nothing. */
function resultOf(output, status) {
  const cutShort = /max search depth too small|out of memory|reached -DMEMLIM|aborting/.exec(output);
  if (cutShort) return `unfinished: ${cutShort[0]}`;
  const errors = /errors: (\d+)/.exec(output)?.[1];
  if (status !== 0 || errors === undefined) return `unfinished: ${output.slice(-200).trim()}`;
  if (errors === '0') return 'holds';
  const [, error = output.slice(0, 200)] = /^pan:\d+: (.*)$/m.exec(output) ?? [];
  if (error.startsWith('invalid end state')) return 'deadlocks';
  // Of the models' assertions, only the one of `told` begins with a negation.
  if (/^assertion violated +!\(/.test(error)) return 'reaches';
  return error.startsWith('assertion violated') ? 'breaks' : `unexpected: ${error}`;
}

/** The steps that say something, one a line: which process, where, what. */
function readable(output) {
  const noise =
    /\(goto\)|\[goto |sub-sequence|\[else\]|\[\(1\)\]|\[(?:IF|DO|break)\]|\[each = |terminates|^Starting|^Never/;
  return output
    .split('\n')
    .filter((line) => line.trim() !== '' && !noise.test(line))
    .map((line) => line.replace(/\(state \d+\)\s*/, '').replaceAll(`${models}/`, ''))
    .join('\n');
}

/** A compiler away from its place does not find what programs are linked with. */
function linkOptions() {
  if (dirname(findProgram('gcc')) !== fetchedPrograms) return [];
  const usr = join(state, 'debian/tree/usr');
  const libraries = readdirSync(join(usr, 'lib')).filter((name) => /-linux-gnu/.test(name));
  return [
    ...['-static', '-isystem', join(usr, 'include')],
    ...libraries.flatMap((name) => ['-isystem', join(usr, 'include', name)]),
    ...libraries.flatMap((name) => [`-B${join(usr, 'lib', name)}`, `-L${join(usr, 'lib', name)}`]),
  ];
}

/** @throws CannotContinue where it fails, unless it may */
function call(directory, program, args, { mayFail = false } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = ['ignore', 'pipe', 'pipe'];
    const child = spawn(program, args, { cwd: directory, env: programEnvironment, stdio, timeout: mostMs });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0 || mayFail) resolve({ output, status });
      else reject(new CannotContinue(`${program} ${args.join(' ')} failed: ${output.slice(-2000)}`));
    });
  });
}
