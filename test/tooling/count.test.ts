import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runProgram, temporaryDirectory, type Outcome } from '../fixtures/program.ts';
import { projectRoot } from '../fixtures/start.ts';

const green = 'ok 1 - test/a.test.ts\n# { total: 3, pass: 3 }\n';

/** Counts runs: an exit code, and what tap wrote, if anything. */
async function count(t: Test, ...runs: readonly (readonly [number, string?])[]): Promise<Outcome> {
  const directory = temporaryDirectory(t);
  const args = runs.map(([exitCode, output], index) => {
    const file = join(directory, `${index}.tap`);
    if (output !== undefined) writeFileSync(file, output);
    return `run ${index}:${exitCode}:${file}`;
  });
  return runProgram('node', ['config/count.mjs', ...args], { cwd: projectRoot });
}

t.test('passed tests are added up', async (t) => {
  const skipping = '# { total: 9 }\nok 1 - a # SKIP no time\n# { total: 5, pass: 2, todo: 1, skip: 2 }\n';
  t.match(await count(t, [0, green], [0, skipping]), {
    exitCode: 0,
    lastLine: '5 passed, 0 failed, 3 skipped',
  });
});

t.test('a failed test is a failure', async (t) => {
  const red = '# { total: 3, pass: 2, fail: 1 }\n';
  t.match(await count(t, [0, green], [1, red]), { exitCode: 1, lastLine: '5 passed, 1 failed, 0 skipped' });
});

t.test('a run that failed before its tests, or ran none, is a failure', async (t) => {
  const one = { exitCode: 1, lastLine: '3 passed, 1 failed, 0 skipped' };
  t.match(await count(t, [0, green], [1]), one, 'lint');
  t.match(await count(t, [0, green], [0]), one, 'nothing ran');
  t.match(await count(t, [1, green]), one, 'an exit code without a failed test');
  t.match(await count(t, [0, '# { total: 2, skip: 2 }\n']), {
    exitCode: 1,
    lastLine: '0 passed, 1 failed, 2 skipped',
  });
});

t.test('a file without a test is a failure', async (t) => {
  const empty = 'ok 1 - test/b.test.ts # SKIP no tests found\n# { total: 4, pass: 3, skip: 1 }\n';
  t.match(await count(t, [0, empty]), { exitCode: 1, lastLine: '3 passed, 1 failed, 0 skipped' });
});
