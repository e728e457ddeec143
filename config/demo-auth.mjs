import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { images, program, push, readManifest, startTagwarden } from './demo-scene.mjs';
import { startLocalUpstream } from './local-upstream.mjs';
import { CannotContinue } from './project.mjs';

const service = 'container_registry';
// As config/rules.yaml has them.
const [developer, maintainer] = ['developer', 'ci-release'];

/** Users of our own (`auth.mode: builtin`), before a registry that takes only our tokens. */
export async function startAuthDemo(directory, atEnd) {
  const signingKeyFile = join(directory, 'signing.key');
  // Tagwarden makes its key at the first start; here the registry must have what lies beside it before that.
  const { openSigningKey } = await import('../dist/adapters/token/signing-key.js');
  await openSigningKey(signingKeyFile);
  const address = `127.0.0.1:${await freePort()}`;
  const realm = `http://${address}/jwt/auth`;
  const token = { realm, service, issuer: 'tagwarden', signingKeyFile };
  const upstream = await startLocalUpstream(join(directory, 'registry'), token);
  atEnd(upstream.stop);

  const passwords = { [developer]: newPassword(), [maintainer]: newPassword() };
  const usersFile = join(directory, 'users.htpasswd');
  writeFileSync(usersFile, Object.entries(passwords).map(hashedLine).join(''));
  const auth = ['--auth-mode', 'builtin', '--auth-users-file', usersFile];
  const flags = ['--listen', address, ...auth, '--auth-signing-key-file', signingKeyFile];
  const { child } = await startTagwarden(directory, upstream.url, flags);
  atEnd(() => child.kill());
  const title =
    `Tagwarden at ${address}, with the rules of config/rules.yaml and two users, a developer and ${maintainer}, who is\n` +
    `maintainer; in front of ${upstream.name}, which takes only Tagwarden's tokens.`;
  return { title, steps: stepsOf({ address, upstream, realm, passwords }) };
}

function stepsOf({ address, upstream, realm, passwords }) {
  const registry = new URL(upstream.url).host;
  const as = (user) => ['--dest-creds', `${user}:${passwords[user]}`];
  const stored = async (repository, tag) =>
    readManifest(upstream.url, repository, tag, await pullAuthorization(realm, repository, passwords));
  const isStored = (image, repository, tag) => async () =>
    (await stored(repository, tag))?.equals(images[image].bytes)
      ? undefined
      : `the registry does not have the ${image} image as ${repository}:${tag}`;
  const isAbsent = (repository, tag) => async () =>
    (await stored(repository, tag)) && `the registry has ${repository}:${tag} nevertheless`;
  const [release, latest] = [`${address}/flightjs/flight:v1.0`, `${address}/flightjs/flight:latest`];
  return [
    {
      title: 'An image is pushed to the registry itself, past Tagwarden.',
      ...push('first', `${registry}/flightjs/flight:v1.0`, '--dest-no-creds'),
      denied: /unauthorized|authentication required|requested access to the resource is denied/i,
      holds: isAbsent('flightjs/flight', 'v1.0'),
      verdict: 'refused by the registry',
    },
    {
      title: 'Through Tagwarden, but with a wrong password.',
      ...push('first', release, '--dest-creds', `${developer}:guessed`),
      denied: /unauthorized|authentication required|username or password/i,
      holds: isAbsent('flightjs/flight', 'v1.0'),
      verdict: 'refused: no token',
    },
    {
      title: 'The developer pushes a release through Tagwarden.',
      ...push('first', release, ...as(developer)),
      holds: isStored('first', 'flightjs/flight', 'v1.0'),
      verdict: `pushed: flightjs/flight:v1.0 is ${images.first.descriptor.digest}`,
    },
    {
      title: 'The developer pushes another image to the same tag.',
      ...push('second', release, ...as(developer)),
      denied: /denied: tag is immutable; flightjs\/flight:v1\.0 is sha256:/,
      holds: isStored('first', 'flightjs/flight', 'v1.0'),
      verdict: 'denied, and the stored tag is unchanged',
    },
    {
      title: 'The developer pushes into a protected repository.',
      ...push('second', `${address}/flightjs/frozen:v2.0`, ...as(developer)),
      // skopeo prints no more than the status.
      denied: /token: .*\b403\b|denied: container protected; /,
      holds: isAbsent('flightjs/frozen', 'v2.0'),
      verdict: 'refused at the token, before anything was sent',
    },
    {
      title: 'The same request for a token, to read what docker prints then.',
      ...tokenRequest(realm, 'repository:flightjs/frozen:pull,push', developer, passwords),
      denied: /"DENIED".*container protected; you are not allowed to push to flightjs\/frozen /,
      holds: () => undefined,
      verdict: 'refused with the message of the rule',
    },
    {
      title: 'The developer pushes latest, which is for maintainers.',
      ...push('second', latest, ...as(developer)),
      denied: /denied: tag protected; pushing flightjs\/flight:latest needs maintainer/,
      holds: isAbsent('flightjs/flight', 'latest'),
      verdict: 'denied, and nothing was stored',
    },
    {
      title: `The maintainer ${maintainer} pushes latest.`,
      ...push('second', latest, ...as(maintainer)),
      holds: isStored('second', 'flightjs/flight', 'latest'),
      verdict: 'pushed',
    },
  ];
}

/** A request for a token, as a step. */
function tokenRequest(realm, scope, user, passwords) {
  const url = `${realm}?service=${service}&scope=${scope}`;
  const run = async () => {
    const response = await askForToken(url, user, passwords);
    return { exitCode: response.ok ? 0 : 1, output: await response.text() };
  };
  return { shown: `curl --user ${user}:${passwords[user]} '${url}'`, run };
}

async function pullAuthorization(realm, repository, passwords) {
  const url = `${realm}?service=${service}&scope=repository:${repository}:pull`;
  const response = await askForToken(url, developer, passwords);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return `Bearer ${(await response.json()).token}`;
}

function askForToken(url, user, passwords) {
  const basic = Buffer.from(`${user}:${passwords[user]}`).toString('base64');
  return fetch(url, { headers: { authorization: `Basic ${basic}` } });
}

function newPassword() {
  return randomBytes(9).toString('base64url');
}

function hashedLine([user, password]) {
  const args = [program, 'hash-password', user];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { input: password, encoding: 'utf8' });
  if (status !== 0) throw new CannotContinue(`tagwarden hash-password failed: ${stderr.trim()}`);
  return stdout;
}

/** The registry must tell its clients where Tagwarden is before Tagwarden listens there. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
