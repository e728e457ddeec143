import type { BaseLogger } from 'pino';
import type { UpstreamAccount } from '../adapters/upstream-account.ts';
import type { Upstream } from '../adapters/upstream.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../core/ports.ts';

/** Of `upstream.username`, for look-ups; undefined where there is none. */
export async function ownAccount(
  { credentials, tls: { ca } }: Config['upstream'],
  around: { readonly upstream: Upstream; readonly clock: Clock; readonly log?: BaseLogger },
): Promise<UpstreamAccount | undefined> {
  if (!credentials) return undefined;
  const { UpstreamAccount: Account } = await import('../adapters/upstream-account.ts');
  return new Account({ credentials, ca, ...around });
}
