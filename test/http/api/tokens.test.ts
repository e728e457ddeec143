import t from 'tap';
import { rmSync, writeFileSync } from 'node:fs';
import { hashApiToken, newApiToken } from '../../../src/adapters/token/api-tokens.ts';
import { rewriteTokens, startManagementApi, tokenNamed, tokensText } from '../../fixtures/management-api.ts';

const path = 'flightjs/registry/protection/tag/rules';
const nobody = [401, { message: '401 Unauthorized' }];

t.test('both headers carry a token, and nothing else does', async (t) => {
  const { ask } = await startManagementApi(t);
  const good = [
    ['PRIVATE-TOKEN', 'twa-root'],
    ['Private-Token', 'twa-root'],
    ['Authorization', 'Bearer twa-root'],
    ['Authorization', 'bearer twa-root'],
  ];
  for (const headers of good) t.equal((await ask({ path, headers })).status, 200, headers.join(': '));
  const bad = [
    [],
    ['PRIVATE-TOKEN', ''],
    ['PRIVATE-TOKEN', 'root'],
    ['PRIVATE-TOKEN', 'twa-roo'],
    ['Authorization', 'twa-root'],
    ['Authorization', `Basic ${Buffer.from('root:twa-root').toString('base64')}`],
    ['PRIVATE-TOKEN', 'twa-root', 'PRIVATE-TOKEN', 'twa-root'],
    ['PRIVATE-TOKEN', 'wrong', 'Authorization', 'Bearer twa-root'],
  ];
  for (const headers of bad) {
    const { status, json } = await ask({ path, headers });
    t.strictSame([status, json], nobody, headers.join(': '));
  }
  const query = await ask({ path: `${path}?private_token=twa-root` });
  t.strictSame([query.status, query.json], nobody, 'a query is in too many logs');
});

t.test('every route but the document asks for a token, before it reads a body', async (t) => {
  const { ask } = await startManagementApi(t);
  const rows = [
    ['GET', path],
    ['POST', path],
    ['PATCH', `${path}/1`],
    ['DELETE', `${path}/1`],
    ['GET', path.replace('tag', 'repository')],
  ] as const;
  for (const [method, path] of rows) {
    const headers = ['Content-Type', 'text/plain'];
    const { status, json } = await ask({ method, path, headers, ...(method !== 'GET' && { body: 'x' }) });
    t.strictSame([status, json], nobody, `${method} ${path}`);
  }
  t.equal((await ask({ path: '/api/openapi.json' })).status, 200);
});

t.test('who tries many tokens is told to wait; who has a right one is not', async (t) => {
  const { ask } = await startManagementApi(t);
  const statuses: number[] = [];
  for (let count = 0; count < 12; count += 1) {
    statuses.push((await ask({ path, headers: ['PRIVATE-TOKEN', `twa-${count}`] })).status);
  }
  t.same(statuses, [...Array.from({ length: 10 }, () => 401), 429, 429]);
  const late = await ask({ path, headers: ['PRIVATE-TOKEN', 'twa-x'] });
  t.strictSame(late.json, {
    message: { error: 'This endpoint has been requested too many times. Try again later.' },
  });
  t.ok(Number(late.headers['retry-after']) > 0);
  t.equal((await ask({ path, as: 'reader' })).status, 200);
});

t.test('the file counts at the next request', async (t) => {
  const api = await startManagementApi(t);
  const status = async (as: string) => {
    const { status } = await api.ask({ path, as });
    // So many wrong tokens in a row are told to wait.
    return status === 429 ? 401 : status;
  };
  t.same([await status('root'), await status('reader')], [200, 200]);
  rewriteTokens(api, tokensText({ root: ['read'], another: ['read'] }));
  t.same([await status('root'), await status('reader'), await status('another')], [200, 401, 200]);
  const post = () => api.ask({ method: 'POST', path, as: 'root', json: { tag_name_pattern: 'x' } });
  t.equal((await post()).status, 403, 'a role that was taken away');

  for (const broken of [
    '',
    'tokens: [',
    tokensText({ reader: ['rule'] }),
    tokensText({ reader: ['read'] }).trim(),
  ]) {
    rewriteTokens(api, broken);
    t.same([await status('root'), await status('reader')], [200, 401], 'the last good tokens stay');
    t.same([await status('root'), await status('reader')], [200, 401]);
  }
  rmSync(api.tokenFile);
  t.same([await status('root'), await status('root')], [200, 200]);
  const told = api.logs.filter(({ msg }) => msg === 'the tokens file is broken');
  t.equal(told.length, 5, 'each is told once');
  t.match(told.at(-1), { level: 50, errors: ['cannot be read (ENOENT)'] });
  writeFileSync(api.tokenFile, tokensText({ reader: ['read'] }));
  t.same([await status('root'), await status('reader')], [401, 200]);
  writeFileSync(api.tokenFile, 'tokens: []\n');
  t.equal(await status('reader'), 401, 'nobody has a token');
});

t.test('tokens are long, their own, and known by their prefix', (t) => {
  const [one, other] = [newApiToken(), newApiToken()];
  t.match(one, /^twa-[\w-]{43}$/);
  t.not(one, other);
  t.equal(hashApiToken('abc').toString('hex').slice(0, 8), 'ba7816bf', 'SHA-256, as sha256sum has it');
  t.equal(tokenNamed('x'), 'twa-x');
  t.end();
});
