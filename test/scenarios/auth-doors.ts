import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import bcrypt from 'bcryptjs';
import type { Test } from 'tap';
import { openSigningKey } from '../../src/adapters/token/signing-key.ts';
import { storedManifest } from '../fixtures/image.ts';
import { issuerName, startIssuer } from '../fixtures/issuer.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { startRegistry, type Registry, type RegistryRelease } from '../fixtures/registry.ts';
import { rulesElsewhere, startTagwarden } from '../fixtures/tagwarden.ts';
import { startTokenServer } from '../fixtures/token-server.ts';
import { frontDoorRules } from './front-door.ts';
import type { User } from './layout-client.ts';

export const developer: User = { name: 'dev', password: 'only-dev-knows' };
export const maintainer: User = { name: 'boss', password: 'only-boss-knows' };
const users = [developer, maintainer];
/** The lowest there is: the registry computes it for every request. */
const cost = 4;

/** As at every front door; and `latest` is for maintainers. */
const rules = `${frontDoorRules}  - id: maintained
    repository_path_pattern: flightjs/*
    tag_name_pattern: ^latest$
    minimum_access_level_for_push: maintainer
members:
  - { subject: ${maintainer.name}, access_level: maintainer }
`;

/** The same of flightjs/, as GitLab writes it into the tokens of a developer. */
const gitlabMeta = {
  tag_deny_access_patterns: { push: ['^latest$'] },
  tag_immutable_patterns: ['^v[0-9]'],
};

/** A registry and Tagwarden in front of it, with users. */
export interface AuthDoor {
  readonly upstream: Registry;
  /** `127.0.0.1:PORT` of Tagwarden. */
  readonly address: string;
  /** The digest of a tag in the registry itself; undefined: it is not there. */
  readonly stored: (repository: string, tag: string) => Promise<string | undefined>;
  /** What the registry takes from the developer, for a push to this repository. */
  readonly authorization: (repository: string) => Promise<string | undefined>;
}

/** `auth.mode: builtin`, before a registry that asks nobody for credentials, or only takes Tagwarden's tokens. */
export async function openBuiltinDoor(
  t: Test,
  release: RegistryRelease,
  { tokensRequired }: { readonly tokensRequired: boolean },
): Promise<AuthDoor> {
  const directory = temporaryDirectory(t);
  const signingKeyFile = join(directory, 'signing.key');
  // Made here, as the first start would: the registry reads what lies beside it before Tagwarden knows its address.
  await openSigningKey(signingKeyFile);
  const settings = { realm: 'http://127.0.0.1/jwt/auth', service: 'container_registry', issuer: 'tagwarden' };
  const auth = { token: { ...settings, ...release.trust(signingKeyFile) } };
  const upstream = await startRegistry(t, release, tokensRequired ? auth : undefined);
  const config = `auth:
  mode: builtin
  users_file: ${await usersFileIn(directory)}
  signing_key_file: ${signingKeyFile}
`;
  const { url } = await startTagwarden(t, { upstream: upstream.url, rules, config });
  return door(upstream, url, async (repository) => {
    const query = new URLSearchParams({
      service: settings.service,
      scope: `repository:${repository}:pull,push`,
    });
    const headers = { authorization: basicOf(developer) };
    const response = await fetch(`${url}/jwt/auth?${query.toString()}`, { headers });
    return `Bearer ${((await response.json()) as { token: string }).token}`;
  });
}

/** `auth.mode: token`: another issuer, and a registry that asks nobody for credentials. */
export async function openTokenDoor(t: Test, release: RegistryRelease): Promise<AuthDoor> {
  const issuer = await startIssuer(t);
  const passwords = Object.fromEntries(users.map(({ name, password }) => [name, password]));
  const { realm } = await startTokenServer(t, { issuer, passwords, meta: gitlabMeta });
  const upstream = await startRegistry(t, release);
  const config = `auth:
  mode: token
  realm: ${realm}
  issuer: ${issuerName}
  keys: { jwks_url: '${issuer.jwksUrl}' }
`;
  const { url } = await startTagwarden(t, { upstream: upstream.url, rules: rulesElsewhere, config });
  return door(upstream, url, () => Promise.resolve(undefined));
}

/** `auth.mode: upstream`: the registry itself knows the users. */
export async function openUpstreamDoor(t: Test, release: RegistryRelease): Promise<AuthDoor> {
  const path = await usersFileIn(temporaryDirectory(t));
  const upstream = await startRegistry(t, release, { htpasswd: { realm: 'registry', path } });
  const config = 'auth: { mode: upstream, trust_basic_username: true }\n';
  const { url } = await startTagwarden(t, { upstream: upstream.url, rules, config });
  return door(upstream, url, () => Promise.resolve(basicOf(developer)));
}

function door(upstream: Registry, url: string, authorization: AuthDoor['authorization']): AuthDoor {
  return {
    upstream,
    address: new URL(url).host,
    authorization,
    stored: async (repository, tag) => {
      const headers = await authorization(repository);
      return storedManifest(upstream.url, repository, tag, headers).then(
        ({ digest }) => digest,
        (error: unknown) => {
          // Any other failure would make "it is not there" true.
          if (String(error).endsWith('answered 404')) return undefined;
          throw error;
        },
      );
    },
  };
}

async function usersFileIn(directory: string): Promise<string> {
  const path = join(directory, 'users.htpasswd');
  const lines = users.map(async ({ name, password }) => `${name}:${await bcrypt.hash(password, cost)}\n`);
  writeFileSync(path, (await Promise.all(lines)).join(''));
  return path;
}

function basicOf({ name, password }: User): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}
