import { pino } from 'pino';
import { steadyClock } from '../adapters/clock.ts';
import { InMemoryLedger } from '../adapters/ledger-memory.ts';
import type { Upstream } from '../adapters/upstream.ts';
import type { Config } from '../config/config.ts';
import { StoreAway, type Tombstones } from '../core/ports.ts';
import type { Sources } from '../http/explain-facts.ts';
import { wireFacts } from './facts.ts';
import { scanCredentials } from './scan-credentials.ts';

/** What a name was before its tag vanished only a running instance knows: it keeps the file to itself. */
const unread: Tombstones = {
  recall: () => Promise.reject(new StoreAway('the tombstones are not read')),
  bury: () => Promise.resolve(),
  replace: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

/** The upstream, asked with the credentials that `serve` has of its own. */
export async function explainSources(
  config: Config,
  upstream: Upstream,
): Promise<Sources | { readonly reason: string }> {
  const credentials = await scanCredentials(config, upstream).catch((error: unknown) => ({
    error: error instanceof Error ? error.message : String(error),
  }));
  if ('error' in credentials) return { reason: credentials.error };
  const { tagLimit, walkSeconds } = config.deletes;
  const wired = wireFacts({
    ...{ upstream, tagLimit, own: credentials.own, clock: steadyClock },
    ...{ ledger: new InMemoryLedger(), tombstones: unread, log: pino({ level: 'silent' }) },
  });
  return {
    ...wired,
    tombstones: unread,
    walkMs: walkSeconds * 1000,
    authorize: (repository) => credentials.of(repository),
  };
}
