import type { Test } from 'tap';
import { newKey } from '../fixtures/token-key.ts';
import { signGitlab, on } from '../fixtures/issuer.ts';
import type { Outcome } from '../fixtures/program.ts';
import type { RegistryRelease } from '../fixtures/registry.ts';
import type { AuthClient, Session } from './auth-client.ts';
import {
  developer,
  maintainer,
  openBuiltinDoor,
  openTokenDoor,
  openUpstreamDoor,
  type AuthDoor,
} from './auth-doors.ts';
import { startedUploads } from './front-door.ts';
import type { User } from './layout-client.ts';

/** What must hold for each client before each release, whoever it is that checks credentials. */
export function authScenarios(t: Test, client: AuthClient, release: RegistryRelease): void {
  const title = `${client.name} before ${release.name}`;

  t.test(`${title}: users of our own, before a registry that asks nobody`, async (t) => {
    const door = await openBuiltinDoor(t, release, { tokensRequired: false });
    await expectBuiltin(t, client, door);
  });

  t.test(`${title}: users of our own, before a registry that takes only our tokens`, async (t) => {
    const door = await openBuiltinDoor(t, release, { tokensRequired: true });
    await expectBuiltin(t, client, door);
    await expectOnlyOurTokens(t, door);
  });

  t.test(`${title}: tokens of another issuer, with GitLab's claims`, async (t) => {
    const door = await openTokenDoor(t, release);
    const session = await logIn(t, client, door, developer);
    await expectRoundTrip(t, session, `${door.address}/any/app:v1`);
    await expectImmutable(t, client, session, door, 'token ^v[0-9]');
    const refused = await pushNew(session, `${door.address}/flightjs/flight:latest`);
    denied(t, client, refused, 'tag protected; pushing flightjs/flight:latest ');
    t.equal(await door.stored('flightjs/flight', 'latest'), undefined);
  });

  t.test(`${title}: users of the registry`, async (t) => {
    const door = await openUpstreamDoor(t, release);
    const session = await logIn(t, client, door, developer);
    await expectRoundTrip(t, session, `${door.address}/any/app:v1`);
    await expectImmutable(t, client, session, door, 'releases');
    await expectMaintained(t, client, session, door);
  });
}

/** docker asks for one token for both repositories; Tagwarden and the registry each look for what they need in it. */
export function dockerMountScenario(t: Test, docker: AuthClient, release: RegistryRelease): void {
  t.test(`docker before ${release.name}: a layer is mounted with a token for two repositories`, async (t) => {
    const { address } = await openBuiltinDoor(t, release, { tokensRequired: true });
    const session = docker.open(t);
    succeeded(t, await session.login(address, developer), 'login');
    for (const repository of ['any/first', 'any/second']) {
      const reference = `${address}/${repository}:v1`;
      await session.build(reference, `shared by ${address}`);
      const pushed = await session.push(reference);
      succeeded(t, pushed, `push to ${repository}`);
      if (repository === 'any/second') t.match(pushed.output, 'Mounted from any/first');
    }
  });
}

async function expectBuiltin(t: Test, client: AuthClient, door: AuthDoor): Promise<void> {
  const session = await logIn(t, client, door, developer);
  await expectRoundTrip(t, session, `${door.address}/any/app:v1`);
  await expectImmutable(t, client, session, door, 'releases');
  await expectMaintained(t, client, session, door);

  const requestsBefore = await door.upstream.requests();
  const refused = await pushNew(session, `${door.address}/frozen/app:v1`);
  if (client.saysWhyNoToken) {
    denied(t, client, refused, 'container protected; you are not allowed to push to frozen/app ');
  } else {
    t.not(refused.exitCode, 0);
    t.match(refused.output, /token: .*\b403\b/);
  }
  const requests = (await door.upstream.requests()).slice(requestsBefore.length);
  t.strictSame(
    requests.filter((request) => request.includes('/frozen/app/')),
    [],
    'refused before anything is sent',
  );
}

/** A wrong password is refused, the right one is not. */
async function logIn(
  t: Test,
  client: AuthClient,
  { address, upstream }: AuthDoor,
  user: User,
): Promise<Session> {
  const session = client.open(t);
  const login = await session.login(address, { ...user, password: 'a wrong one' });
  if (client.asksAtLogin) t.not(login.exitCode, 0, 'a login with a wrong password');
  const refused = await pushNew(session, `${address}/any/intruder:v1`);
  t.not(refused.exitCode, 0, 'a push with a wrong password');
  t.strictSame(
    (await startedUploads(upstream)).filter((upload) => upload.endsWith(' 202')),
    [],
  );
  succeeded(t, await session.login(address, user), `login as ${user.name}`);
  return session;
}

async function expectRoundTrip(t: Test, session: Session, reference: string): Promise<void> {
  succeeded(t, await pushNew(session, reference), 'push');
  succeeded(t, await session.pull(reference), 'pull');
}

async function expectImmutable(
  t: Test,
  client: AuthClient,
  session: Session,
  { address, stored }: AuthDoor,
  ruleId: string,
): Promise<void> {
  const reference = `${address}/flightjs/flight:v1.0`;
  succeeded(t, await pushNew(session, reference), 'an immutable tag is created');
  const digest = await stored('flightjs/flight', 'v1.0');
  t.type(digest, 'string');
  succeeded(t, await session.push(reference), 'the same digest again');
  const refused = await pushNew(session, reference);
  denied(t, client, refused, `tag is immutable; flightjs/flight:v1.0 is ${digest?.slice(0, 19) ?? ''}`);
  t.match(refused.output, `(rule ${ruleId}); use a new tag`);
  t.equal(await stored('flightjs/flight', 'v1.0'), digest, 'the stored tag is unchanged');
}

/** `latest` is refused to the developer and not to the maintainer. */
async function expectMaintained(
  t: Test,
  client: AuthClient,
  session: Session,
  door: AuthDoor,
): Promise<void> {
  const reference = `${door.address}/flightjs/flight:latest`;
  denied(t, client, await pushNew(session, reference), 'tag protected; pushing flightjs/flight:latest ');
  t.equal(await door.stored('flightjs/flight', 'latest'), undefined);
  const maintaining = client.open(t);
  succeeded(t, await maintaining.login(door.address, maintainer), 'login as maintainer');
  succeeded(t, await pushNew(maintaining, reference), 'the maintainer pushes latest');
  t.type(await door.stored('flightjs/flight', 'latest'), 'string');
}

/** What asks the registry itself: without a token, with one of another issuer, and, to see that it is the token, with ours. */
async function expectOnlyOurTokens(t: Test, { upstream, authorization }: AuthDoor): Promise<void> {
  const upload = async (headers: Record<string, string>): Promise<number> => {
    const path = '/v2/any/app/blobs/uploads/';
    return (await fetch(upstream.url + path, { method: 'POST', headers })).status;
  };
  const claims = { iss: 'tagwarden' };
  const forged = signGitlab(newKey(), Date.now(), { claims, access: [on('any/app', 'pull,push')] });
  t.equal(await upload({}), 401, 'without a token');
  t.equal(await upload({ authorization: `Bearer ${forged}` }), 401, 'with a token of another key');
  t.equal(await upload({ authorization: (await authorization('any/app')) ?? '' }), 202, 'with our token');
}

let images = 0;

async function pushNew(session: Session, reference: string): Promise<Outcome> {
  await session.build(reference, `image ${++images}`);
  return session.push(reference);
}

/** docker prints nothing else in its last line; others print more around it, and some in capitals. */
function denied(t: Test, client: AuthClient, outcome: Outcome, message: string): void {
  t.not(outcome.exitCode, 0);
  if (client.printsErrorAlone) t.ok(outcome.lastLine.startsWith(`denied: ${message}`), outcome.output);
  else t.match(outcome.output.replace(/^.*DENIED/im, 'denied'), `denied: ${message}`);
}

/** On failure, what the client printed is what one wants to read. */
function succeeded(t: Test, { exitCode, output }: Outcome, what: string): void {
  t.equal(exitCode, 0, exitCode === 0 ? what : output);
}
