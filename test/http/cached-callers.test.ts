import fc from 'fast-check';
import t, { type Test } from 'tap';
import { ask, headerOf, type Answer } from '../fixtures/ask.ts';
import { isKept, pathOf } from '../fixtures/cached.ts';
import { bearer } from '../fixtures/client.ts';
import { ShiftedClock } from '../fixtures/clock.ts';
import { on, startIssuer, tokenConfig, type TestIssuer } from '../fixtures/issuer.ts';
import { ManifestShelf, type Draft } from '../fixtures/manifest-shelf.ts';
import { startTagwarden, type Tagwarden } from '../fixtures/tagwarden.ts';
import { answerOci, startUpstream, type Recorded } from '../fixtures/upstream.ts';

const repositories = ['public', 'a', 'b'];
const rules = `tag_rules:
  - { tag_name_pattern: ^v, immutable: true }
`;

/** By which the upstream lets somebody in, or shows something else. */
const keys: Readonly<Record<string, readonly string[]>> = {
  alice: ['Authorization', 'Basic YWxpY2U6eA=='],
  bob: ['Authorization', 'Basic Ym9iOng='],
  cookie: ['Cookie', 'sid=alice'],
  artifactory: ['X-JFrog-Art-Api', 'key'],
  gitlab: ['PRIVATE-TOKEN', 'glpat-x'],
  unheardOf: ['X-Tenant', 'b'],
  hidden: ['X-Tenant', 'b', 'Connection', 'x-tenant'],
  query: [],
  none: [],
};
type KeyName = keyof typeof keys;

/** What the upstream shows to whoever has a key; `public` is for all. */
type Rights = ReadonlyMap<KeyName, readonly string[]>;

interface Asked {
  readonly method: string;
  readonly name: string;
  readonly key: KeyName;
  readonly accept: readonly string[];
  readonly noise: readonly string[];
  /** Whose token it brings, where there are tokens. */
  readonly by: 'alice' | 'bob' | undefined;
}

/** Mostly the usual, so that questions are the same often enough. */
function mostly<Value>(usual: Value, ...others: readonly Value[]): fc.Arbitrary<Value> {
  return fc.oneof(
    { arbitrary: fc.constant(usual), weight: 3 },
    { arbitrary: fc.constantFrom(...others), weight: 2 },
  );
}

const requests: fc.Arbitrary<Asked> = fc.record({
  method: mostly('GET', 'HEAD'),
  name: fc.constantFrom('public@digest', 'a@digest', 'a:v1', 'b:v1', 'a:moving'),
  key: mostly('none', ...Object.keys(keys)),
  accept: mostly(
    [],
    ['Accept', 'a/one'],
    ['Accept', 'a/one', 'Accept', 'a/two'],
    ['Accept', 'a/one', 'Connection', 'accept'],
  ),
  noise: mostly(
    [],
    ['User-Agent', 'docker'],
    ['Cache-Control', 'no-cache'],
    ['If-None-Match', '"x"'],
    ['Range', 'bytes=0-1'],
    ['X-Forwarded-For', '10.0.0.1'],
  ),
  by: fc.constantFrom('alice', 'bob', 'alice', 'bob', undefined),
});
const batches = fc.array(fc.array(requests, { minLength: 6, maxLength: 12 }), { minLength: 2, maxLength: 4 });
const everyRights: fc.Arbitrary<Rights> = fc
  .tuple(...Object.keys(keys).map((key) => fc.subarray(repositories).map((held) => [key, held] as const)))
  .map((all) => new Map(all));

interface Pair {
  readonly cached: Tagwarden;
  readonly cacheless: Tagwarden;
  readonly clock: ShiftedClock;
  /** What the upstream grants from now on. */
  readonly grant: (rights: Rights) => void;
  readonly digests: ReadonlyMap<string, string>;
}

/** Which of its keys a request brings, as the upstream reads it. */
function keyOf({ headers, target }: Recorded): KeyName {
  if (target.includes('?token=')) return 'query';
  const brought = Object.entries(keys).find(
    ([, [name = '', value]]) => name !== '' && headers[name.toLowerCase()] === value,
  );
  return brought?.[0] ?? 'none';
}

/** @param pulls what a token lets its bearer pull, where the upstream takes tokens */
async function startPair(
  t: Test,
  config: string,
  pulls?: (recorded: Recorded) => readonly string[],
): Promise<Pair> {
  const shelf = new ManifestShelf();
  let rights: Rights = new Map();
  const maySee = (recorded: Recorded, repository: string): boolean =>
    (pulls?.(recorded) ?? []).includes(repository) ||
    (rights.get(keyOf(recorded)) ?? []).includes(repository);
  shelf.adjust = (draft: Draft, recorded) => {
    const repository = recorded.target.split('/')[2] ?? '';
    const accept = String(recorded.headers['accept'] ?? 'none');
    if (!maySee(recorded, repository)) {
      draft.status = 401;
      draft.body = Buffer.from(`not for ${keyOf(recorded)}`);
    } else if (keyOf(recorded) === 'unheardOf') {
      draft.headers['x-content-type-options'] = 'for a tenant';
    } else {
      draft.headers['x-content-type-options'] = accept;
    }
  };
  const upstream = await startUpstream(t, (req, res, recorded) => {
    if (recorded.target === '/v2/') answerOci(res, 401, 'UNAUTHORIZED');
    else return shelf.script(req, res, recorded);
  });
  const digests = new Map(
    repositories.map((name) => {
      shelf.put(name, 'moving', `{"of":"${name}"}`);
      return [name, shelf.put(name, 'v1', `{"of":"${name}"}`)];
    }),
  );
  const clock = new ShiftedClock();
  const start = (flags: readonly string[]) =>
    startTagwarden(t, {
      upstream: upstream.url,
      rules,
      config,
      clock,
      flags,
    });
  return {
    ...{ clock, digests },
    cached: await start([]),
    cacheless: await start(['--cache-size-mib', '0']),
    grant: (changed) => (rights = changed),
  };
}

/** All that a client is told. */
function told(answer: Answer): unknown {
  const { status, body } = answer;
  const fields = [
    'content-type',
    'content-length',
    'docker-content-digest',
    'etag',
    'x-content-type-options',
    'www-authenticate',
  ];
  return {
    status,
    body: body.toString(),
    ...Object.fromEntries(fields.map((name) => [name, headerOf(answer, name)])),
  };
}

/** Asks both the same, the one with a cache for all of a batch at once. */
async function compare(
  { cached, cacheless, digests }: Pair,
  batch: readonly Asked[],
  credentials: (asked: Asked) => readonly string[],
): Promise<number> {
  let kept = 0;
  const question = (
    asked: Asked,
  ): [path: string, question: { method: string; headers: readonly string[] }] => {
    const { method, name, key, accept, noise } = asked;
    const path = pathOf(name.replace(/@digest/, `@${digests.get(name.split('@')[0] ?? '') ?? ''}`));
    return [
      `${path}${key === 'query' ? '?token=x' : ''}`,
      { method, headers: [...credentials(asked), ...(keys[key] ?? []), ...accept, ...noise] },
    ];
  };
  const expected: unknown[] = [];
  for (const asked of batch) {
    const [path, how] = question(asked);
    expected.push(told(await ask(cacheless.url + path, how)));
  }
  const actual = await Promise.all(
    batch.map(async (asked) => {
      const [path, how] = question(asked);
      const answer = await ask(cached.url + path, how);
      if (isKept(answer)) kept += 1;
      return told(answer);
    }),
  );
  for (const [at, asked] of batch.entries()) {
    const [got, wanted] = [JSON.stringify(actual[at]), JSON.stringify(expected[at])];
    if (got !== wanted) throw new Error(`${JSON.stringify(asked)}: ${got}, and without a cache ${wanted}`);
  }
  return kept;
}

for (const mode of ['anonymous', 'upstream']) {
  t.test(`auth.mode ${mode}: everybody is shown what the upstream shows`, async (t) => {
    const pair = await startPair(t, `auth: { mode: ${mode} }\n`);
    let kept = 0;
    await fc.assert(
      fc.asyncProperty(everyRights, batches, async (rights, all) => {
        pair.grant(rights);
        // What was shown before may be shown no longer.
        pair.clock.shift(60_000);
        for (const batch of all) kept += await compare(pair, batch, () => []);
      }),
      { numRuns: 20 },
    );
    t.ok(kept > 5, `${kept} answers were from memory`);
  });
}

t.test('auth.mode token: everybody is shown what the token grants', async (t) => {
  const issuer = await startIssuer(t);
  const pair = await startPair(t, tokenConfig(issuer), pulledBy);
  const grants = fc.record({ alice: fc.subarray(repositories), bob: fc.subarray(repositories) });
  let kept = 0;
  await fc.assert(
    fc.asyncProperty(everyRights, grants, batches, async (rights, granted, all) => {
      // Of another key than a token nobody knows what it lets in.
      pair.grant(rights);
      pair.clock.shift(60_000);
      const tokens = { alice: tokenFor(issuer, granted.alice), bob: tokenFor(issuer, granted.bob) };
      const withTokens = ({ by }: Asked): readonly string[] => (by ? bearer(tokens[by]) : []);
      for (const batch of all) {
        const single = batch.map((asked) => (isCredential(asked.key) ? { ...asked, key: 'none' } : asked));
        kept += await compare(pair, single, withTokens);
      }
    }),
    { numRuns: 20 },
  );
  t.ok(kept > 5, `${kept} answers were from memory`);
});

function isCredential(key: KeyName): boolean {
  return keys[key]?.[0] === 'Authorization';
}

function tokenFor(issuer: TestIssuer, names: readonly string[]): string {
  return issuer.sign({ access: names.map((name) => on(name, 'pull')) });
}

/** As a registry reads a token that it trusts. */
function pulledBy({ headers: { authorization } }: Recorded): readonly string[] {
  const [, payload = ''] = typeof authorization === 'string' ? authorization.split('.') : [];
  if (payload === '') return [];
  const { access } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as {
    access: { name: string }[];
  };
  return access.map(({ name }) => name);
}

t.test('a token that is good no longer, or for something else, is not answered from memory', async (t) => {
  const issuer = await startIssuer(t);
  const pair = await startPair(t, tokenConfig(issuer), pulledBy);
  const read = (headers: readonly string[], name = 'a:v1'): Promise<Answer> =>
    ask(pair.cached.url + pathOf(name), { headers });
  const good = bearer(tokenFor(issuer, ['a']));
  await read(good);
  t.ok(isKept(await read(good)));
  t.ok(isKept(await read(bearer(tokenFor(issuer, ['a', 'b'])))), 'whoever may pull is shown it');
  const others: [what: string, headers: readonly string[]][] = [
    ['none', []],
    ['of another repository', bearer(tokenFor(issuer, ['b']))],
    ['to push', bearer(issuer.sign({ access: [on('a', 'push,delete')] }))],
    ['expired', bearer(issuer.sign({ access: [on('a', 'pull')], claims: { exp: 1 } }))],
    ['forged', bearer(`${tokenFor(issuer, ['a']).split('.').slice(0, 2).join('.')}.AAAA`)],
    ['a password', ['Authorization', 'Basic YTpi']],
  ];
  for (const [what, headers] of others) t.equal((await read(headers)).status, 401, what);
  t.notOk(isKept(await read([...good, 'Cookie', 'sid=alice'])), 'beside another key');
  await read(good, 'a:v1?ns=quay.io');
  t.notOk(isKept(await read(good, 'a:v1?ns=quay.io')), 'of another registry, of which it says nothing');
});
