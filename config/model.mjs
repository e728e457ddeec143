import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import { ensurePrograms } from './debian.mjs';
import { CannotContinue, runScript } from './project.mjs';
import { checkVariant } from './spin.mjs';
import { variants } from '../test/model/variants.mjs';

// npm run test:model                       every variant of every model of test/model
// npm run test:model -- first-push         those whose name has this in it
// npm run test:model -- --trail asks       with the steps to each broken promise, also where it was expected

await runScript(async (args) => {
  const words = args.filter((arg) => !arg.startsWith('-'));
  const showsTrails = args.includes('--trail');
  const chosen = variants.filter((variant) => words.every((word) => titleOf(variant).includes(word)));
  if (chosen.length === 0) throw new CannotContinue(`No variant has ${words.join(' ')} in its name.`);
  ensurePrograms('spin', 'gcc');

  let failed = 0;
  // The large ones first, so that none of them is left to run alone.
  const waiting = chosen.toSorted((a, b) => Number(b.isLarge ?? false) - Number(a.isLarge ?? false));
  const work = async () => {
    for (let variant = waiting.shift(); variant; variant = waiting.shift()) {
      const startMs = performance.now();
      const { result, states, trail } = await checkVariant(variant).catch(asResult);
      const isExpected = result === variant.result;
      if (!isExpected) failed += 1;
      console.log(lineOf(variant, { isExpected, result, states, ms: performance.now() - startMs }));
      if (trail && (showsTrails || !isExpected)) console.log(trail.replaceAll(/^/gm, '      '));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  console.log(`\n${chosen.length - failed} passed, ${failed} failed, 0 skipped`);
  if (failed > 0) process.exitCode = 1;
});

function titleOf({ model, name }) {
  return `${model}: ${name}`;
}

function lineOf(variant, { isExpected, result, states, ms }) {
  const got = isExpected ? result : `${result}, and not: ${variant.result}`;
  const mark = isExpected ? 'ok    ' : 'not ok';
  return `${mark} ${titleOf(variant).padEnd(70)} ${got.padEnd(9)} ${String(states).padStart(8)} states ${String(Math.round(ms)).padStart(6)} ms`;
}

function asResult(error) {
  return { result: `unfinished: ${error.message}`, states: 0, trail: '' };
}
