import { BlockList, isIP } from 'node:net';
import type { FastifyPluginAsync } from 'fastify';
import type { Logger } from 'pino';
import { wallClock } from '../adapters/clock.ts';
import type { Upstream } from '../adapters/upstream.ts';
import type { Config } from '../config/config.ts';
import type { ManagedRules } from '../core/managed-rules.ts';
import type { Unlocks } from '../core/unlock.ts';
import type { ExplainPorts } from '../http/api/explain.ts';
import type { RuleChange } from '../http/api/ports.ts';
import type { Audit } from '../http/log.ts';

interface Surroundings {
  readonly managed?: ManagedRules | undefined;
  readonly unlocks: Unlocks;
  readonly upstream: Upstream;
  readonly log: Logger;
  /** Takes every change of a rule, and every unlock; absent: nothing does. */
  readonly audit: Audit | undefined;
  readonly explain: ExplainPorts;
}

/**
 * The management API, loaded only where it is asked for; undefined where it is not.
 * @throws Error with a line for each error of the tokens file
 */
export async function wireApi(
  { tokenFile, listen, tls: isEncrypted, graphqlIntrospection }: Config['admin'],
  { managed, unlocks, upstream, log, audit, explain }: Surroundings,
): Promise<FastifyPluginAsync | undefined> {
  if (tokenFile === undefined) return undefined;
  if (!managed)
    throw new Error('admin.token_file is given, but nothing keeps the rules of the management API');
  const [{ managementApi }, { ApiTokens }, { LoginLimit }, { UpstreamLiveTags }] = await Promise.all([
    import('../http/api/management-api.ts'),
    import('../adapters/token/api-tokens.ts'),
    import('../adapters/token/login-limit.ts'),
    import('../adapters/live-tags.ts'),
  ]);
  const tokens = await ApiTokens.open(tokenFile, (errors) => {
    log.error({ file: tokenFile, errors }, 'the tokens file is broken; the last good tokens stay in force');
  });
  if (!isEncrypted && !isLoopback(listen.host)) {
    log.warn(
      { listen: listen.host },
      'the management API is served without TLS, and not on this machine alone: tokens travel in clear',
    );
  }
  const attempts = new LoginLimit(wallClock);
  const { rules } = explain;
  const tags = new UpstreamLiveTags({ ...explain, upstream });
  const graphql = { rules, tags, hasIntrospection: graphqlIntrospection };
  return managementApi({
    ...{ managed, unlocks, tokens, attempts, log, explain, graphql },
    onChange: (change: RuleChange) => audit?.write({ audit: 'rule', ...change }),
    onUnlock: (event) => audit?.write({ audit: 'unlock', ...event }),
  });
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

function isLoopback(host: string): boolean {
  const family = isIP(host);
  return family === 0 ? host === 'localhost' : loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
}
