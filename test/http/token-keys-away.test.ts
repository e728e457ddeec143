import t, { type Test } from 'tap';
import { ask, bearer } from '../fixtures/client.ts';
import { fail, hang, on } from '../fixtures/issuer.ts';
import { openTokenDoor, type TokenDoor } from '../fixtures/token-door.ts';
import { newKey, type TokenKey } from '../fixtures/token-key.ts';

const access = [on('a', 'pull,push')];

/** Keys are asked for once in 10 s: time goes on at once. */
function passTime(t: Test): (ms: number) => void {
  const now = Date.now;
  let passed = 0;
  Date.now = () => now() + passed;
  t.teardown(() => (Date.now = now));
  return (ms) => (passed += ms);
}

interface Counted {
  readonly good: readonly number[];
  readonly forged: readonly number[];
}

/** Requests at once, each with a token of its own: of a good key, of a stranger that copies its kid, and of a stranger. */
async function load({ issuer, send }: TokenDoor, key: TokenKey, count = 20): Promise<Counted> {
  const stranger = newKey('RS256');
  const status = async (token: string): Promise<number> =>
    (await send('GET', '/v2/a/manifests/v1', bearer(token))).status;
  const good: Promise<number>[] = [];
  const forged: Promise<number>[] = [];
  for (let at = 0; at < count; at += 1) {
    const claims = { sub: 'forged' };
    forged.push(status(issuer.sign({ access, claims, key: stranger, header: { kid: key.libtrustId } })));
    forged.push(status(issuer.sign({ access, claims, key: stranger })));
    good.push(status(issuer.sign({ access, key })));
  }
  return { good: await Promise.all(good), forged: await Promise.all(forged) };
}

function judge(t: Test, { good, forged }: Counted, expected: number, what: string): void {
  t.same([...new Set(good)], [expected], `${what}: good tokens`);
  t.same([...new Set(forged)], [401], `${what}: forged tokens`);
}

/** Whose tokens came through. */
function subjectsUpstream({ upstream }: TokenDoor): readonly string[] {
  const subjects = upstream.requests.map(({ headers }) => {
    const payload = String(headers.authorization).split('.')[1] ?? '';
    return (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sub: string }).sub;
  });
  return [...new Set(subjects)];
}

t.test('a rotation under load needs no restart, and lets nobody else in', async (t) => {
  const pass = passTime(t);
  const door = await openTokenDoor(t);
  const { issuer } = door;
  const [first, second, third] = [newKey('RS256'), newKey('ES256'), newKey('RS256')] as const;
  issuer.keys = [first];
  judge(t, await load(door, first), 201, 'before');
  t.equal(issuer.asked(), 1, 'all of them shared one question');

  issuer.keys = [second];
  judge(t, await load(door, second), 401, 'too early to ask again');
  t.equal(issuer.asked(), 1);
  pass(10_000);
  judge(t, await load(door, second), 201, 'after');
  t.equal(issuer.asked(), 2);

  issuer.keys = [second, third];
  pass(10_000);
  const rounds = await Promise.all([load(door, third), load(door, second), load(door, first)]);
  for (const [at, expected] of [201, 201, 401].entries()) {
    judge(t, rounds[at] ?? { good: [], forged: [] }, expected, `old and new, ${at}`);
  }
  t.equal(issuer.asked(), 3);
  t.same(subjectsUpstream(door), ['dev']);
});

t.test(
  'an endpoint that answers 500 or nonsense: known keys keep working, others do not begin to',
  async (t) => {
    const pass = passTime(t);
    const door = await openTokenDoor(t);
    const { issuer } = door;
    const [known, next] = [newKey('RS256'), newKey('RS256')] as const;
    issuer.keys = [known];
    judge(t, await load(door, known), 201, 'known');
    issuer.keys = [next];
    for (const answer of [fail, (res: Parameters<typeof fail>[0]) => void res.end('nonsense')]) {
      issuer.answer = answer;
      pass(10_000);
      judge(t, await load(door, next), 401, 'not known');
      judge(t, await load(door, known), 201, 'known still');
    }
    t.equal(issuer.asked(), 3);
    issuer.answer = issuer.publish;
    pass(10_000);
    judge(t, await load(door, next), 201, 'back');
    t.same(subjectsUpstream(door), ['dev']);
    const reasons = door.tagwarden.logs.map(({ reason }) => reason);
    t.ok(reasons.includes(`${issuer.jwksUrl}: the key set was answered with 500`), 'the operator is told');
  },
);

t.test(
  'an endpoint that hangs holds up nobody whose key is known, and the others not for long',
  async (t) => {
    const pass = passTime(t);
    const door = await openTokenDoor(t);
    const { issuer, upstream } = door;
    const [known, next] = [newKey('RS256'), newKey('RS256')] as const;
    issuer.keys = [known];
    judge(t, await load(door, known), 201, 'known');
    issuer.answer = hang;
    issuer.keys = [next];
    pass(10_000);
    const startedAt = performance.now();
    let isOver = false;
    const waiting = load(door, next, 5).finally(() => (isOver = true));
    await issuer.askedTimes(2);
    const seen = upstream.requests.length;
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        ask(`${door.tagwarden.url}/v2/`, { headers: bearer(issuer.sign({ access, key: known })) }),
      ),
    );
    t.same(
      answers.map(({ status }) => status),
      Array.from({ length: 10 }, () => 201),
    );
    t.notOk(isOver, 'the others wait still');
    t.equal(upstream.requests.length, seen + 10);
    judge(t, await waiting, 401, 'not known');
    t.ok(performance.now() - startedAt < 15_000);
    t.equal(issuer.asked(), 2);
    t.same(subjectsUpstream(door), ['dev']);
  },
);

for (const [what, answer] of [
  ['hangs', hang],
  ['answers 500', fail],
] as const) {
  t.test(`an endpoint that ${what} from the beginning: nothing passes until it answers`, async (t) => {
    const pass = passTime(t);
    const door = await openTokenDoor(t);
    const { issuer, upstream } = door;
    const [key] = issuer.keys;
    if (!key) throw new Error('no key');
    issuer.answer = answer;
    judge(t, await load(door, key, 3), 401, what);
    t.same(upstream.requests, []);
    issuer.answer = issuer.publish;
    pass(10_000);
    judge(t, await load(door, key, 3), 201, 'back');
  });
}
