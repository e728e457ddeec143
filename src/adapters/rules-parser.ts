import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { parseRules, type ParsedRules } from '../config/rules.ts';
import { readSnapshot } from './rules-snapshot.ts';

/** What a thread tells: the rules as a snapshot, for patterns cannot leave a thread. */
export type Told =
  { readonly version: string; readonly snapshot: string } | { readonly errors: readonly string[] };

/** Longer texts take so long that requests would notice: 10,000 rules, a megabyte, take seconds. */
const longTextLength = 128 * 1024;
// TypeScript does not rewrite it, and runs as it is in the tests.
const thread = new URL(`./rules-parser-thread.${import.meta.url.slice(-2)}`, import.meta.url);

/** As `parseRules`, in a thread of its own where the text is long. Never rejects. */
export async function parseRulesAside(text: string): Promise<ParsedRules> {
  if (text.length < longTextLength) return parseRules(text);
  const worker = new Worker(thread, { workerData: text });
  worker.unref();
  try {
    const [told] = (await once(worker, 'message')) as [Told];
    if ('errors' in told) return told;
    // The times are for whoever knows what was in force before.
    return { rules: { version: told.version, ...readSnapshot(told.snapshot, () => 0) } };
  } catch (error) {
    return { errors: [`1:1 cannot be read: ${error instanceof Error ? error.message : String(error)}`] };
  } finally {
    void worker.terminate();
  }
}
