import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { compiled } from './typescript-once.mjs';

/** A hook of Node's loader: what is TypeScript is loaded as the JavaScript that it was compiled to. */
export async function load(url, context, nextLoad) {
  const { protocol, pathname } = new URL(url);
  if (protocol !== 'file:' || !pathname.endsWith('.ts') || pathname.includes('/node_modules/')) {
    return nextLoad(url, context);
  }
  const file = fileURLToPath(url);
  return { format: 'module', shortCircuit: true, source: await compiled(file, await readFile(file, 'utf8')) };
}
