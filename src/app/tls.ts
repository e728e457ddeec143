import type { BaseLogger } from 'pino';
import { wallClock } from '../adapters/clock.ts';
import type { ServerTls } from '../adapters/tls/server-tls.ts';
import type { Config } from '../config/config.ts';
import type { ServerTlsConfig } from '../config/tls.ts';
import { Ending } from './ending.ts';
import { openUpstream, silence } from './upstream.ts';

interface Surroundings {
  readonly log: Pick<BaseLogger, 'info' | 'error'>;
  readonly ending: Ending;
}

/**
 * What HTTPS is served with; undefined where plain HTTP is served.
 * @throws Error with the names of the files and what is wrong
 */
export async function openServerTls(
  config: ServerTlsConfig | undefined,
  ticketKeys: Buffer | undefined,
  { log, ending }: Surroundings,
): Promise<ServerTls | undefined> {
  if (!config) return undefined;
  const { ServerTls } = await import('../adapters/tls/server-tls.ts');
  const tls = await ServerTls.open({ config, ticketKeys, clock: wallClock, log });
  ending.add(() => {
    tls.close();
  });
  return tls;
}

/** What is wrong with the certificates and keys that the configuration names. */
export async function checkTlsFiles({ tls, upstream }: Config): Promise<readonly string[]> {
  const ending = new Ending();
  const opening = openUpstream(upstream).then((opened) => {
    ending.add(() => opened.close());
  });
  const opened = await Promise.allSettled([openServerTls(tls, undefined, { log: silence, ending }), opening]);
  await ending.run();
  return opened.flatMap((one) => (one.status === 'rejected' ? [(one.reason as Error).message] : []));
}
