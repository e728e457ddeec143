import { existsSync } from 'node:fs';
import { wallClock } from '../adapters/clock.ts';
import type { OwnAuthorization } from '../adapters/patient-reader.ts';
import type { AuthConfig } from '../config/auth.ts';
import type { Config } from '../config/config.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { Repository } from '../core/reference.ts';
import { basicAuthorization } from './own-account.ts';

/** With what a scan asks the upstream. */
export interface ScanCredentials {
  catalog(): Promise<HeaderList>;
  of(repository: Repository): Promise<HeaderList>;
  /** For when what `of` gave has expired. */
  readonly own: OwnAuthorization | undefined;
}

/** As `serve` has them. */
export async function scanCredentials({
  auth,
  upstream: { credentials },
}: Config): Promise<ScanCredentials | { readonly error: string }> {
  if (auth.mode === 'builtin') return ownTokens(auth);
  const headers = credentials ? ['Authorization', basicAuthorization(credentials)] : [];
  const always = (): Promise<HeaderList> => Promise.resolve(headers);
  return { catalog: always, of: always, own: undefined };
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
  };
}
