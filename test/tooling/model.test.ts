import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { projectRoot } from '../fixtures/start.ts';

interface Variant {
  readonly model: string;
  readonly name: string;
  readonly result: 'holds' | 'breaks' | 'deadlocks' | 'reaches';
}

const page = readFileSync(join(projectRoot, 'docs/model.md'), 'utf8');
const words = { holds: 'holds', breaks: '**breaks**', deadlocks: '**deadlocks**', reaches: 'reached' };

/** The cells of the rows of a table below a heading. */
function rowsBelow(heading: string): string[][] {
  const [, section = ''] = page.split(`\n## ${heading}\n`);
  const lines = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

t.test('every variant that is checked is on the page, with its result, and no other', async (t) => {
  const path = join(projectRoot, 'test/model/variants.mjs');
  const { variants } = (await import(path)) as { variants: readonly Variant[] };
  const models = new Set(variants.map(({ model }) => model));
  t.ok(variants.length > 80);
  for (const model of models) {
    t.ok(existsSync(join(projectRoot, `test/model/${model}.pml`)));
    const told = rowsBelow(model).map(([name, , , result]) => `${name ?? ''}: ${result ?? ''}`);
    const checked = variants.filter((variant) => variant.model === model);
    t.same(
      told,
      checked.map(({ name, result }) => `${name}: ${words[result]}`),
    );
  }
});

t.test('every function that the page names is where it says', (t) => {
  const rows = rowsBelow('Steps, and who does them');
  t.ok(rows.length > 10);
  for (const [, functions = '', files = ''] of rows) {
    const texts = namesIn(files).map((file) => readFileSync(join(projectRoot, file), 'utf8'));
    for (const name of namesIn(functions)) {
      const isThere = texts.some((text) => new RegExp(`\\b${name}\\b`).test(text));
      t.ok(isThere, `${name} in ${files}`);
    }
  }
  t.end();
});

function namesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
}
