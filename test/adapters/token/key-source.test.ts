import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { KeySource, readersOf, type KeyLocations } from '../../../src/adapters/token/key-source.ts';
import { ManualClock } from '../../fixtures/clock.ts';
import { fail, hang, startIssuer } from '../../fixtures/issuer.ts';
import { certify, jwkOf, newKey, type TokenKey } from '../../fixtures/token-key.ts';

interface Opened {
  readonly source: KeySource;
  readonly clock: ManualClock;
  readonly failures: string[];
  readonly has: (key: TokenKey) => Promise<boolean>;
}

function open(locations: KeyLocations): Opened {
  const clock = new ManualClock();
  const failures: string[] = [];
  const source = new KeySource(readersOf(locations), clock, (error) => failures.push(error.message));
  const has = async (key: TokenKey): Promise<boolean> =>
    (await source.keysFor((keys) => keys.byId.get(key.libtrustId)))?.equals(key.publicKey) ?? false;
  return { source, clock, failures, has };
}

t.test('by URL: read once, when first needed', async (t) => {
  const issuer = await startIssuer(t);
  const { has, failures } = open({ jwksUrl: issuer.jwksUrl });
  t.equal(issuer.asked(), 0);
  const [key] = issuer.keys as [TokenKey];
  t.ok(await has(key));
  t.ok(await has(key));
  t.equal(issuer.asked(), 1);
  t.same(failures, []);
});

t.test('from files: a key set, certificates, and both with a URL', async (t) => {
  const issuer = await startIssuer(t);
  const [inSet, certified] = [newKey(), await certify({ name: 'x' })];
  const directory = t.testdir({
    'keys.json': JSON.stringify({ keys: [jwkOf(inSet)] }),
    'bundle.pem': certified.pem,
  });
  const files = { jwksFile: join(directory, 'keys.json'), certificateFile: join(directory, 'bundle.pem') };
  const { has, failures } = open({ ...files, jwksUrl: issuer.jwksUrl });
  for (const key of [inSet, certified.key, ...issuer.keys]) t.ok(await has(key));
  t.same(failures, []);
  t.notOk(await open({ jwksFile: files.jwksFile }).has(certified.key));
});

t.test('a rotation, by URL and by file, needs no restart', async (t) => {
  const issuer = await startIssuer(t);
  const [first, second] = [newKey(), newKey()];
  issuer.keys = [first];
  const directory = t.testdir({ 'keys.json': JSON.stringify({ keys: [jwkOf(first)] }) });
  const jwksFile = join(directory, 'keys.json');
  for (const { has, clock } of [open({ jwksUrl: issuer.jwksUrl }), open({ jwksFile })]) {
    issuer.keys = [first];
    writeFileSync(jwksFile, JSON.stringify({ keys: [jwkOf(first)] }));
    t.ok(await has(first));
    issuer.keys = [second];
    writeFileSync(jwksFile, JSON.stringify({ keys: [jwkOf(second)] }));
    clock.jump(10_000);
    t.ok(await has(second));
    t.notOk(await has(first), 'what is published no more counts no more');
  }
});

t.test('unknown keys make us ask at most once in 10 s', async (t) => {
  const issuer = await startIssuer(t);
  const { has, clock } = open({ jwksUrl: issuer.jwksUrl });
  for (let at = 0; at < 5; at += 1) t.notOk(await has(newKey()));
  t.equal(issuer.asked(), 1);
  clock.jump(9_999);
  t.notOk(await has(newKey()));
  t.equal(issuer.asked(), 1);
  clock.jump(1);
  t.notOk(await has(newKey()));
  t.equal(issuer.asked(), 2);
});

t.test('those that wait share one reading', async (t) => {
  const issuer = await startIssuer(t);
  const { has } = open({ jwksUrl: issuer.jwksUrl });
  const [key] = issuer.keys as [TokenKey];
  t.same(await Promise.all([has(key), has(newKey()), has(key)]), [true, false, true]);
  t.equal(issuer.asked(), 1);
});

t.test('a source that fails leaves its known keys in force, and the other sources too', async (t) => {
  const issuer = await startIssuer(t);
  const inFile = newKey();
  const directory = t.testdir({ 'keys.json': JSON.stringify({ keys: [jwkOf(inFile)] }) });
  const { has, clock, failures } = open({
    jwksUrl: issuer.jwksUrl,
    jwksFile: join(directory, 'keys.json'),
  });
  const [key] = issuer.keys as [TokenKey];
  t.ok(await has(key));
  const wrong: [string, typeof fail][] = [
    ['500', fail],
    ['not JSON', (res) => void res.end('<html>')],
    ['no keys', (res) => void res.end('{"keys":[]}')],
    ['a redirect', (res) => void res.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end()],
    ['too large', (res) => void res.end(' '.repeat(2 * 1024 * 1024))],
    ['cut off', (res) => void res.writeHead(200, { 'Content-Length': 9 }).write('{', () => res.destroy())],
  ];
  for (const [at, [what, answer]] of wrong.entries()) {
    issuer.answer = answer;
    clock.jump(10_000);
    t.notOk(await has(newKey()));
    t.equal(failures.length, at + 1, what);
    t.match(failures.at(-1), `${issuer.jwksUrl}: `, 'says where');
    t.ok((await has(key)) && (await has(inFile)));
  }
});

t.test('the query of an address may hold a secret, and is not told', async (t) => {
  const issuer = await startIssuer(t);
  const { has, failures } = open({ jwksUrl: `${issuer.jwksUrl}?token=s3cret` });
  t.notOk(await has(newKey()));
  t.equal(failures.length, 1);
  t.notMatch(failures[0], 's3cret');
});

t.test('an endpoint that hangs is given up, and holds nobody whose key is known', async (t) => {
  const issuer = await startIssuer(t);
  const { has, clock, failures } = open({ jwksUrl: issuer.jwksUrl });
  const [key] = issuer.keys as [TokenKey];
  t.ok(await has(key));
  for (const answer of [hang, (res: Parameters<typeof fail>[0]) => void res.write('{"keys":')]) {
    issuer.answer = answer;
    clock.jump(10_000);
    const before = performance.now();
    const stranger = has(newKey());
    await issuer.askedTimes(issuer.asked() + 1);
    t.ok(await has(key), 'while the other one still waits');
    t.ok(performance.now() - before < 4_000);
    t.notOk(await stranger);
    t.ok(performance.now() - before < 15_000);
  }
  t.equal(failures.length, 2);
});

t.test('a key that was withdrawn is not good for ever', async (t) => {
  const issuer = await startIssuer(t);
  const { has, clock } = open({ jwksUrl: issuer.jwksUrl });
  const [withdrawn] = issuer.keys as [TokenKey];
  const kept = newKey();
  issuer.keys = [withdrawn, kept];
  t.ok(await has(withdrawn));
  issuer.keys = [kept];
  clock.jump(10 * 60_000 - 1);
  t.ok(await has(withdrawn));
  t.equal(issuer.asked(), 1);
  clock.jump(1);
  t.ok(await has(kept), 'nobody waits for it');
  // Joins the reading that the last line began: an unknown key is looked for in what it brings.
  t.notOk(await has(newKey()));
  t.equal(issuer.asked(), 2);
  t.notOk(await has(withdrawn));
});
