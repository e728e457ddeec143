import { existsSync, readFileSync } from 'node:fs';

// node config/count.mjs NAME:EXIT-CODE:TAP-FILE …
// Adds up what tap wrote of each run; the last line that it prints is the result of them all. A run that failed
// without a failed test (lint, a missing program), that tested nothing, or a file without a test is a failure.

const totals = { passed: 0, failed: 0, skipped: 0 };

for (const argument of process.argv.slice(2)) {
  const [name, exitCode, file] = argument.split(':');
  const { passed, failed, skipped } = countRun(name, Number(exitCode), file);
  totals.passed += passed;
  totals.failed += failed;
  totals.skipped += skipped;
}

// Alone on its line: tap leaves control characters behind.
console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed > 0 || totals.passed === 0 ? 1 : 0;

function countRun(name, exitCode, file) {
  const output = existsSync(file) ? readFileSync(file, 'utf8') : '';
  // { total: 6, pass: 3, fail: 1, todo: 1, skip: 2 }: a number that is zero may be absent.
  const summary = output.match(/^# \{ total: .*\}$/gm)?.at(-1) ?? '';
  const number = (key) => Number(new RegExp(`\\b${key}: (\\d+)`).exec(summary)?.[1] ?? 0);
  const empty = [...output.matchAll(/^ok .*# SKIP no tests found/gm)].length;
  const counts = {
    passed: number('pass'),
    failed: number('fail') + empty,
    skipped: number('skip') + number('todo') - empty,
  };
  const complaints = [];
  if (empty > 0) complaints.push(`${empty} file(s) without a test`);
  if (counts.passed === 0) complaints.push('no test passed');
  if (exitCode !== 0 && counts.failed === 0) complaints.push(`exit code ${exitCode} without a failed test`);
  if (complaints.length > 0 && counts.failed === 0) counts.failed = 1;
  for (const complaint of [...failures(output), ...complaints]) console.log(`${name}: ${complaint}`);
  return counts;
}

/** What failed, with the first lines of why. */
function failures(output) {
  return [...output.matchAll(/^ *not ok .*(?:\n *---\n(?:.*\n){0,25}?.*?(?=^ *\.\.\.$))?/gm)].map(([text]) =>
    text.trimEnd(),
  );
}
