import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePrograms } from './debian.mjs';
import { startAuthDemo } from './demo-auth.mjs';
import { startRulesDemo } from './demo-rules.mjs';
import { images } from './demo-scene.mjs';
import { writeLayout } from './oci-image.mjs';
import { build, CannotContinue, installDependencies, runScript } from './project.mjs';

// npm run demo             a real client pushes through Tagwarden to a real registry, and every answer is checked
// npm run demo -- --auth   the same with users, before a registry that takes only Tagwarden's tokens
await runScript(async (args) => {
  const unknown = args.find((arg) => arg !== '--auth');
  if (unknown !== undefined)
    throw new CannotContinue(`The demo knows no ${unknown}; it takes --auth or nothing.`);
  installDependencies();
  build();
  ensurePrograms('skopeo');
  const directory = mkdtempSync(join(tmpdir(), 'tagwarden-demo-'));
  const ends = [() => rmSync(directory, { recursive: true })];
  process.once('exit', () => ends.reverse().forEach((end) => end()));
  // Ends by way of "exit", so that nothing is left behind.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

  writeLayout(join(directory, 'images'), images);
  const start = args.includes('--auth') ? startAuthDemo : startRulesDemo;
  const { title, steps } = await start(directory, (end) => ends.push(end));
  console.log(title);

  let wrong = 0;
  for (const [index, step] of steps.entries()) {
    console.log(`\n${index + 1}. ${step.title}\n   $ ${step.shown}`);
    const complaint = await play(step, directory);
    console.log(complaint === undefined ? `   OK     ${step.verdict}` : `   WRONG  ${complaint}`);
    if (complaint !== undefined) wrong++;
  }
  console.log(wrong === 0 ? '\nAll as it should be.' : `\n${wrong} of the steps went wrong.`);
  // The servers would keep this process running.
  process.exit(wrong === 0 ? 0 : 1);
});

/** Runs the client and prints what it printed; answers what is wrong, if anything. */
async function play({ run, denied, holds }, directory) {
  const { exitCode, output } = await run(directory);
  console.log(output.trimEnd().replace(/^/gm, '     '));
  if (denied === undefined && exitCode !== 0) return `it failed (exit code ${exitCode})`;
  if (denied !== undefined && exitCode === 0) return 'it succeeded';
  if (denied !== undefined && !denied.test(output)) return `it did not print ${denied.source}`;
  return holds();
}
