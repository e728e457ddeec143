import type { BlockList } from 'node:net';
import type { TlsOptions } from 'node:tls';
import type { Logger } from 'pino';
import { steadyClock } from '../adapters/clock.ts';
import type { Config } from '../config/config.ts';
import { BodyPace } from '../http/body-pace.ts';
import { Limits } from '../http/limits.ts';
import type { Keeping } from '../http/server.ts';

/** What one caller may do at a time. */
export function wireLimits({ limits }: Config, log: Logger): Limits {
  return new Limits({
    limits,
    clock: steadyClock,
    onReached: (limit, who) => {
      log.warn({ limit, who }, 'a caller has reached a limit; told once a minute');
    },
  });
}

/** Of the idle timeout: what stands still is cut by that one. */
const windowsOfIdle = 1.5;

interface KeepingSurroundings {
  readonly trusted: BlockList | undefined;
  readonly tls: TlsOptions | undefined;
  readonly log: Logger;
  /** Hears of each connection that is ended, by which limit. */
  readonly onLimit: (limit: string) => void;
}

/** How the connections of the main listener are kept. */
export function keepingOf(
  { limits, upstream }: Config,
  { trusted, tls, log, onLimit }: KeepingSurroundings,
): Keeping {
  const { connections, connectionsPerAddress, bodyBytesPerSecond: bytesPerSecond } = limits;
  return {
    tls,
    headerTimeoutMs: limits.headerTimeoutSeconds * 1000,
    keepAliveMs: limits.keepAliveSeconds * 1000,
    connections: { connections, connectionsPerAddress, trustedProxies: trusted, onRefused: onLimit },
    pace: new BodyPace({
      bytesPerSecond,
      windowMs: upstream.idleTimeoutSeconds * windowsOfIdle * 1000,
      onCut: (client) => {
        const limit = 'limits.body_bytes_per_second';
        onLimit(limit);
        log.info({ client, limit }, 'cut: a body that hardly moved');
      },
    }),
  };
}
