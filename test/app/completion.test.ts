import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runCompletion } from '../../src/app/completion.ts';
import { commandLines } from '../../src/config/command-line.ts';
import { flagOf, keyPaths } from '../../src/config/schema.ts';
import { Written } from '../fixtures/scan.ts';

function scriptFor(shell: string): string {
  const [out, err] = [new Written(), new Written()];
  if (runCompletion({ argv: [shell], env: {}, cwd: '/', out, err }) !== 0) throw new Error(err.text);
  return out.text;
}

/** What bash offers after these words, of which the last one has just begun. */
function offered(t: Test, ...words: readonly string[]): readonly string[] {
  const script = join(t.testdir({ 'package.json': '' }), 'completion.bash');
  writeFileSync(script, scriptFor('bash'));
  const ask =
    'set -eu; source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tagwarden; printf "%s\\n" "${COMPREPLY[@]-}"';
  const args = ['--norc', '-c', ask, 'bash', script, 'tagwarden', ...words];
  const text = execFileSync('bash', args, { cwd: t.testdirName, encoding: 'utf8' });
  return text.split('\n').filter((line) => line !== '');
}

t.test('bash loads it, and completes commands, flags and values', (t) => {
  t.same(offered(t, 'expl'), ['explain']);
  t.same(offered(t, 'explain', 'p'), ['push']);
  t.same(offered(t, 'explain', 'push', 'a/b:c', '--abs'), ['--absent']);
  t.same(offered(t, 'explain', 'push', 'a/b:c', '--level', 'm'), ['maintainer']);
  t.same(offered(t, 'rules', 'im'), ['import']);
  t.same(offered(t, 'rules', 'import', '--from', ''), ['gitlab', 'harbor', 'ecr']);
  t.same(offered(t, 'serve', '--config', 'pack'), ['package.json']);
  t.same(offered(t, 'explain', '--as', ''), [], 'nobody knows');
  t.end();
});

t.test('every flag of the configuration is there, in each shell', (t) => {
  const flags = keyPaths.map((path) => flagOf(path).slice(2));
  for (const shell of ['bash', 'zsh', 'fish']) {
    const script = scriptFor(shell);
    t.same(
      flags.filter((flag) => !script.includes(flag)),
      [],
      shell,
    );
    for (const { name } of commandLines)
      t.ok(script.includes(name.split(' ').at(-1) ?? ''), `${shell} ${name}`);
  }
  t.end();
});

t.test('another shell is not known', (t) => {
  const err = new Written();
  t.equal(runCompletion({ argv: ['tcsh'], env: {}, cwd: '/', out: new Written(), err }), 64);
  t.match(err.text, 'completion needs one of bash, zsh, fish');
  t.end();
});
