import t from 'tap';
import { keysOfJwks, keysOfPem, type TrustedKeys } from '../../../src/adapters/token/trusted-keys.ts';
import { encode, certify, jwkOf, newKey, signParts, type TokenKey } from '../../fixtures/token-key.ts';
import { VerifierScene } from '../../fixtures/verifier.ts';

const [rsa, ec] = [newKey('RS256'), newKey('ES256')];

function trusting(...keys: readonly TokenKey[]): Promise<TrustedKeys> {
  return keysOfJwks(JSON.stringify({ keys: keys.map((key) => jwkOf(key, 'published')) }));
}

async function open(key: TokenKey = ec): Promise<VerifierScene> {
  return new VerifierScene(await trusting(key), key);
}

t.test('good tokens: RS256 and ES256, whatever they call their key', async (t) => {
  for (const key of [rsa, ec]) {
    const scene = await open(key);
    for (const kid of [key.libtrustId, key.thumbprint, 'published']) {
      t.match(await scene.verdict(scene.sign({ header: { kid } })), { sub: 'dev' }, kid);
    }
  }
});

t.test('without a kid the only key there is must be it', async (t) => {
  const scene = await open();
  t.match(await scene.verdict(scene.sign({ header: { kid: undefined } })), { sub: 'dev' });
  const two = new VerifierScene(await trusting(rsa, ec), ec);
  t.equal(
    await two.verdict(two.sign({ header: { kid: undefined } })),
    'signed with a key that is not trusted',
  );
});

t.test('a kid of another key, and a key of another kind', async (t) => {
  const scene = new VerifierScene(await keysOfJwks(JSON.stringify({ keys: [jwkOf(rsa), jwkOf(ec)] })), ec);
  t.equal(
    await scene.verdict(scene.sign({ header: { kid: newKey().libtrustId } })),
    'signed with a key that is not trusted',
  );
  t.type(await scene.verdict(scene.sign({ header: { kid: rsa.libtrustId } })), 'string');
  t.type(await scene.verdict(scene.sign({ header: { alg: 'RS256' } })), 'string');
  t.type(await scene.verdict(scene.sign({ header: { kid: 5 } })), 'string');
  t.type(await scene.verdict(scene.sign({ key: newKey(), header: { kid: ec.libtrustId } })), 'string');
});

t.test('issuer and audience', async (t) => {
  const scene = await open();
  t.match(await scene.verdict(scene.sign({ claims: { aud: ['other', 'container_registry'] } })), {
    sub: 'dev',
  });
  const wrong = [
    { aud: 'container_registry_' },
    { aud: 'container' },
    { aud: ['other'] },
    { aud: undefined },
    { aud: { container_registry: true } },
    { iss: 'gitlab-issuer2' },
    { iss: undefined },
    { iss: ['gitlab-issuer', 'x'] },
  ];
  for (const claims of wrong)
    t.type(await scene.verdict(scene.sign({ claims })), 'string', JSON.stringify(claims));
});

t.test('exp and nbf have 60 s of leeway, to the second', async (t) => {
  const scene = await open();
  const now = scene.nowSeconds;
  const verdict = (claims: object): Promise<unknown> => scene.verdict(scene.sign({ claims: { ...claims } }));
  t.match(await verdict({ exp: now - 59 }), { sub: 'dev' });
  t.match(await verdict({ exp: now - 60 }), /"exp"/);
  t.match(await verdict({ nbf: now + 60 }), { sub: 'dev' });
  t.match(await verdict({ nbf: now + 61 }), /"nbf"/);
  for (const exp of [undefined, null, String(now + 300), {}, true]) t.match(await verdict({ exp }), /"exp"/);
  t.match(await verdict({ nbf: 'soon' }), /"nbf"/);
});

t.test('a claim that is there twice: servers differ in which one they take', async (t) => {
  const scene = await open();
  const { nowSeconds: now } = scene;
  const text = JSON.stringify({
    iss: 'gitlab-issuer',
    aud: 'container_registry',
    sub: 'dev',
    exp: now + 300,
  });
  const withMore = (more: string): string => text.replace(/}$/, `,${more}}`);
  t.match(await scene.verdict(scene.sign({ payload: text })), { sub: 'dev' });
  for (const more of ['"sub":"root"', '"s\\u0075b":"root"', '"access":[{"type":"a","type":"b"}]']) {
    t.match(await scene.verdict(scene.sign({ payload: withMore(more) })), /given twice/, more);
  }
  const header = '{"alg":"ES256","kid":"published","kid":"published"}';
  t.match(await scene.verdict(signParts(ec, header, text)), /given twice/);
});

t.test('what is written unusually is not written twice', async (t) => {
  const scene = await open();
  const claims = {
    ...{ iss: 'gitlab-issuer', aud: 'container_registry', exp: scene.nowSeconds + 300 },
    sub: 'a "b" \\ \n\t\u2028 \ud83d\ude00 \u0000 #!&*{}[],: %@`',
    '': 1,
    '<<': { a: 1 },
    'key: with #': [[], {}, null, -1.5e-7, true, 'a', 'a'],
    nested: [{ a: 1 }, { a: 1 }],
    1: 'x',
    true: 'y',
    null: 'z',
    '~': '',
    ...Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`k${at}`, at])),
  };
  for (const space of [undefined, 2, '\t']) {
    t.strictSame(await scene.verdict(scene.sign({ payload: JSON.stringify(claims, null, space) })), claims);
  }
  const escaped = JSON.stringify(claims).replace(
    /[^\x20-\x7e]/g,
    (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  t.strictSame(await scene.verdict(scene.sign({ payload: escaped })), claims);
});

t.test('x5c: a chain that leads to a trusted certificate', async (t) => {
  const root = await certify({ name: 'root', isAuthority: true });
  const middle = await certify({ name: 'middle', by: root, isAuthority: true });
  const leaf = await certify({ name: 'leaf', by: middle });
  const direct = await certify({ name: 'direct', by: root });
  const scene = new VerifierScene(await keysOfPem(root.pem), leaf.key);
  const verdict = (x5c: unknown, key = leaf.key): Promise<unknown> =>
    scene.verdict(scene.sign({ key, header: { x5c } }));
  t.match(await verdict([leaf.base64, middle.base64]), { sub: 'dev' });
  t.match(await verdict([leaf.base64, middle.base64, root.base64]), { sub: 'dev' });
  t.match(await verdict([direct.base64], direct.key), { sub: 'dev' });
  t.match(await verdict([root.base64], root.key), { sub: 'dev' }, 'the trusted one itself');
  const bundled = new VerifierScene(await keysOfPem(leaf.pem), leaf.key);
  t.match(await bundled.verdict(bundled.sign({ header: { x5c: [leaf.base64], kid: undefined } })), {
    sub: 'dev',
  });

  const refused: [string, unknown, TokenKey?][] = [
    ['a link is missing', [leaf.base64]],
    ['the key is not that of the first', [middle.base64, leaf.base64]],
    ['out of order', [leaf.base64, root.base64, middle.base64]],
    ['empty', []],
    ['no certificate', ['AAAA']],
    ['longer than any', [leaf.base64, ...Array.from({ length: 9 }, () => middle.base64)]],
    ['signed by another key', [leaf.base64, middle.base64], newKey()],
  ];
  for (const [what, x5c, key] of refused) t.type(await verdict(x5c, key), 'string', what);
});

t.test('x5c: strangers, and links that are no authority or not valid now', async (t) => {
  const root = await certify({ name: 'root', isAuthority: true });
  const scene = new VerifierScene(await keysOfPem(root.pem));
  const chain = async (options: Partial<Parameters<typeof certify>[0]>, by = root): Promise<unknown> => {
    const middle = await certify({ name: 'middle', by, isAuthority: true, ...options });
    const leaf = await certify({ name: 'leaf', by: middle });
    return scene.verdict(scene.sign({ key: leaf.key, header: { x5c: [leaf.base64, middle.base64] } }));
  };
  t.match(await chain({}), { sub: 'dev' });
  t.type(await chain({ isAuthority: false }), 'string', 'not an authority');
  t.type(await chain({ notAfter: '2025-12-31T23:59:59Z' }), 'string', 'expired');
  t.type(await chain({ notBefore: '2026-01-01T00:00:01Z' }), 'string', 'not yet valid');
  t.type(
    await chain({}, await certify({ name: 'root', isAuthority: true })),
    'string',
    'an authority of the same name',
  );
  const stranger = await certify({ name: 'root', isAuthority: true });
  for (const kid of [undefined, root.key.libtrustId]) {
    const token = scene.sign({ key: stranger.key, header: { x5c: [stranger.base64], kid } });
    t.type(await scene.verdict(token), 'string', 'signed by itself');
  }
  const under = new VerifierScene(await keysOfPem(root.pem));
  const leafInBundle = await certify({ name: 'leaf', by: root });
  const bundled = new VerifierScene(await keysOfPem(leafInBundle.pem));
  const evil = await certify({ name: 'evil', by: leafInBundle });
  for (const it of [under, bundled]) {
    const token = it.sign({ key: evil.key, header: { x5c: [evil.base64, leafInBundle.base64] } });
    t.type(await it.verdict(token), 'string', 'signed by a certificate that may not');
  }
  const old = await certify({ name: 'old', isAuthority: true, notAfter: '2025-12-31T00:00:00Z' });
  const byOld = new VerifierScene(await keysOfPem(old.pem));
  const leaf = await certify({ name: 'leaf', by: old });
  t.type(
    await byOld.verdict(byOld.sign({ key: leaf.key, header: { x5c: [leaf.base64] } })),
    'string',
    'the root expired',
  );
});

t.test('x5c of anything else is refused at once, and takes no memory', async (t) => {
  const scene = await open();
  const before = performance.now();
  for (const x5c of [[{ length: 3e9 }], [2e9], [null], [[1]], ['']]) {
    t.type(await scene.verdict(scene.sign({ header: { x5c } })), 'string', JSON.stringify(x5c));
  }
  t.ok(performance.now() - before < 2_000);
});

t.test('what is no token', async (t) => {
  const scene = await open();
  const good = scene.sign();
  const [header = '', payload = '', signature = ''] = good.split('.');
  const broken = [
    '',
    '.',
    '..',
    header,
    `${header}.${payload}`,
    `${header}.${payload}.`,
    `${good}.x`,
    `${header}.${payload}.${signature.slice(0, -4)}AAAA`,
    `${header}.${encode({ sub: 'root' })}.${signature}`,
    `${encode('null')}.${payload}.${signature}`,
    `${encode('{')}.${payload}.${signature}`,
    signParts(ec, { alg: 'ES256', kid: ec.libtrustId, crit: ['exp'] }, { sub: 'dev' }),
    signParts(ec, { alg: 'ES256', kid: ec.libtrustId, b64: false, crit: ['b64'] }, { sub: 'dev' }),
    ...['null', '[]', '"x"', '7'].map((text) => signParts(ec, { alg: 'ES256', kid: ec.libtrustId }, text)),
  ];
  for (const token of broken) t.type(await scene.verdict(token), 'string', token);
});

t.test('a token that was good is remembered until it expires, and no longer', async (t) => {
  const scene = await open();
  const token = scene.sign();
  for (let at = 0; at < 3; at += 1) t.match(await scene.verdict(token), { sub: 'dev' });
  t.equal(scene.lookedFor, 1, 'verified once');
  scene.clock.jump(359_000);
  t.match(await scene.verdict(token), { sub: 'dev' });
  t.equal(scene.lookedFor, 1);
  scene.clock.jump(1_000);
  t.match(await scene.verdict(token), /"exp"/);
  t.equal(scene.lookedFor, 2);
});

t.test('what was refused is not remembered as good, nor is another token with the same claims', async (t) => {
  const scene = await open();
  const token = scene.sign();
  t.match(await scene.verdict(token), { sub: 'dev' });
  const [header = '', payload = ''] = token.split('.');
  t.type(await scene.verdict(`${header}.${payload}.AAAA`), 'string');
  t.type(await scene.verdict(`${header}.${payload}.AAAA`), 'string');
  t.equal(scene.lookedFor, 3);
});

t.test('only so many tokens are remembered', async (t) => {
  const scene = await open();
  const first = scene.sign();
  await scene.verdict(first);
  const verdicts = (): Promise<unknown>[] => Array.from({ length: 100 }, () => scene.verdict(scene.sign()));
  for (let at = 0; at < 10_000; at += 100) await Promise.all(verdicts());
  scene.lookedFor = 0;
  await scene.verdict(first);
  t.equal(scene.lookedFor, 1, 'the oldest was forgotten');
});
