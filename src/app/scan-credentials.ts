import { existsSync } from 'node:fs';
import { steadyClock, wallClock } from '../adapters/clock.ts';
import { renewed, type OwnAuthorization } from '../adapters/patient-reader.ts';
import type { Upstream } from '../adapters/upstream.ts';
import type { AuthConfig } from '../config/auth.ts';
import type { Config } from '../config/config.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { Repository } from '../core/reference.ts';
import { ownAccount } from './own-account.ts';

/** With what a scan asks the upstream. */
export interface ScanCredentials {
  catalog(): Promise<HeaderList>;
  of(repository: Repository): Promise<HeaderList>;
  /** For when what `of` gave has expired. */
  readonly own: OwnAuthorization | undefined;
  close(): Promise<void>;
}

/** As `serve` has them. */
export async function scanCredentials(
  config: Config,
  upstream: Upstream,
): Promise<ScanCredentials | { readonly error: string }> {
  if (config.auth.mode === 'builtin') return ownTokens(config.auth);
  const account = await ownAccount(config.upstream, { upstream, clock: steadyClock });
  if (!account) {
    const nothing = (): Promise<HeaderList> => Promise.resolve([]);
    return { catalog: nothing, of: nothing, own: undefined, close: () => Promise.resolve() };
  }
  return {
    catalog: async () => ['Authorization', await account.catalog()],
    of: async (repository) => ['Authorization', await account.of(repository)],
    own: renewed(account),
    close: () => account.close(),
  };
}

/** The registry takes our own tokens. */
async function ownTokens({
  signingKeyFile,
  issuer: name,
  service,
  tokenLifetimeSeconds: lifetimeSeconds,
}: Extract<AuthConfig, { mode: 'builtin' }>): Promise<ScanCredentials | { readonly error: string }> {
  if (!existsSync(signingKeyFile)) {
    return { error: `auth.signing_key_file: ${signingKeyFile} is not there; tagwarden serve makes it` };
  }
  const [{ openSigningKey }, { TokenIssuer }] = await Promise.all([
    import('../adapters/token/signing-key.ts'),
    import('../adapters/token/issuer.ts'),
  ]);
  const key = await openSigningKey(signingKeyFile);
  const issuer = new TokenIssuer(key, { issuer: name, service, lifetimeSeconds }, wallClock);
  const own = {
    of: (repository: Repository) => issuer.pullAuthorization(repository),
    after401: true,
  };
  return {
    catalog: async () => {
      const { token } = await issuer.issue(undefined, [
        { type: 'registry', name: 'catalog', actions: ['*'] },
      ]);
      return ['Authorization', `Bearer ${token}`];
    },
    of: async (repository) => ['Authorization', await own.of(repository)],
    own,
    close: () => Promise.resolve(),
  };
}
