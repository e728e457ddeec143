import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Graphviz } from '@hpcc-js/wasm-graphviz';
import { root } from './project.mjs';

export const diagrams = join(root, 'docs/diagrams');

/** Draws every `docs/diagrams/*.dot`: the name of the picture → SVG. */
export async function drawDiagrams() {
  const graphviz = await Graphviz.load();
  const sources = readdirSync(diagrams).filter((name) => name.endsWith('.dot'));
  return Object.fromEntries(
    sources.map((name) => [
      name.replace(/dot$/, 'svg'),
      graphviz.dot(readFileSync(join(diagrams, name), 'utf8')),
    ]),
  );
}
