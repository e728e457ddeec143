import type { BaseLogger } from 'pino';
import { wallClock } from '../adapters/clock.ts';
import type { UpstreamTls } from '../adapters/tls/upstream-tls.ts';
import type { SpanSink } from '../adapters/tracing/span.ts';
import { Upstream, type UpstreamOptions } from '../adapters/upstream.ts';
import type { Config } from '../config/config.ts';

/** The registry behind us, and how it is met where that is over HTTPS. */
export interface OpenUpstream {
  readonly upstream: Upstream;
  readonly tls: UpstreamTls | undefined;
  close(): Promise<void>;
}

interface OpenOptions {
  /** Absent: as many as are asked for. */
  readonly connections?: number;
  /** Absent: nobody is told; who asks hears it as an error. */
  readonly log?: Pick<BaseLogger, 'info' | 'error'>;
  /** Absent: nothing is recorded of it. */
  readonly spans?: SpanSink | undefined;
}

/** A log that nobody reads. */
export const silence = { info: () => undefined, error: () => undefined };

/** @throws Error with the names of the files and what is wrong, where a certificate is shown to it */
export async function openUpstream(
  { url: origin, tls: config }: Config['upstream'],
  { log = silence, spans, ...options }: OpenOptions = {},
): Promise<OpenUpstream> {
  const tls = origin.startsWith('https:') ? await openTls(origin, config, log) : undefined;
  const upstream = await (spans
    ? openTraced({ origin, tls, ...options }, spans)
    : new Upstream({ origin, tls, ...options }));
  return {
    upstream,
    tls,
    close: async () => {
      tls?.close();
      await upstream.close();
    },
  };
}

async function openTraced(options: UpstreamOptions, spans: SpanSink): Promise<Upstream> {
  const { TracedUpstream } = await import('../adapters/tracing/traced-upstream.ts');
  return new TracedUpstream(options, spans);
}

async function openTls(
  origin: string,
  config: Config['upstream']['tls'],
  log: Pick<BaseLogger, 'info' | 'error'>,
): Promise<UpstreamTls> {
  const { UpstreamTls } = await import('../adapters/tls/upstream-tls.ts');
  return UpstreamTls.open({ origin, config, clock: wallClock, log });
}
