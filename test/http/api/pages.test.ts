import t from 'tap';
import { addTagRule, type ManagedState } from '../../../src/core/managed-rules.ts';
import { startManagementApi, type ManagementApi } from '../../fixtures/management-api.ts';

const path = 'flightjs/registry/protection/tag/rules';

async function withRules({ managed }: ManagementApi, count: number): Promise<void> {
  await managed.change((state) =>
    Array.from({ length: count }).reduce<ManagedState>(
      (made, _, index) => addTagRule(made, 'flightjs', { tagNamePattern: `^v${index}$` })[0],
      state,
    ),
  );
}

t.test('a list comes in one piece, or in the pages that are asked for', async (t) => {
  const api = await startManagementApi(t);
  await withRules(api, 120);
  const list = async (query: string) => {
    const { json, headers } = await api.ask({ path: `${path}${query}`, as: 'reader' });
    const names = ['x-page', 'x-next-page', 'x-prev-page', 'x-per-page', 'x-total', 'x-total-pages'] as const;
    const ids = (json as { id: number }[]).map(({ id }) => id);
    return [[ids[0], ids.length], names.map((name) => headers[name])];
  };
  t.same(await list(''), [
    [1, 120],
    ['1', '', '', '120', '120', '1'],
  ]);
  t.same(await list('?page=1'), [
    [1, 20],
    ['1', '2', '', '20', '120', '6'],
  ]);
  t.same(await list('?per_page=50&page=3'), [
    [101, 20],
    ['3', '', '2', '50', '120', '3'],
  ]);
  t.same(await list('?per_page=1000'), [
    [1, 100],
    ['1', '2', '', '100', '120', '2'],
  ]);
  t.same(await list('?page=7'), [
    [undefined, 0],
    ['7', '', '6', '20', '120', '6'],
  ]);
  t.same(await list('?page=0'), [
    [1, 20],
    ['1', '2', '', '20', '120', '6'],
  ]);
  t.same(await list('?order_by=name'), [
    [1, 120],
    ['1', '', '', '120', '120', '1'],
  ]);
});

t.test('links lead from page to page', async (t) => {
  const api = await startManagementApi(t);
  await withRules(api, 5);
  const seen: number[] = [];
  let next: string | undefined = `/api/v4/projects/${path}?per_page=2`;
  while (next !== undefined) {
    const { json, headers } = await api.ask({ path: next, as: 'reader' });
    seen.push(...(json as { id: number }[]).map(({ id }) => id));
    const link = /<([^>]+)>; rel="next"/.exec(String(headers.link))?.[1];
    next = link?.replace(api.url, '');
  }
  t.same(seen, [1, 2, 3, 4, 5]);
  const secure = await api.ask({
    path: `${path}?page=1`,
    as: 'reader',
    headers: ['X-Forwarded-Proto', 'https'],
  });
  t.match(secure.headers.link, /^<https:\/\/127\.0\.0\.1:\d+\/api\/v4\/projects\/flightjs\/.*page=1/);
});

t.test('an empty list has a page, which is the last', async (t) => {
  const api = await startManagementApi(t);
  const { headers } = await api.ask({ path, as: 'reader' });
  t.match(headers, { 'x-total': '0', 'x-total-pages': '1', 'x-next-page': '' });
});

t.test('what is no page', async (t) => {
  const api = await startManagementApi(t);
  const rows: readonly (readonly [string, string])[] = [
    ['page=x', 'page is invalid'],
    ['page=1.5', 'page is invalid'],
    ['page=', 'page is invalid'],
    ['page=1&page=2', 'page is invalid'],
    ['per_page=all', 'per_page is invalid'],
    ['per_page=0', 'per_page has a value not allowed'],
    ['per_page=-1', 'per_page has a value not allowed'],
  ];
  for (const [query, error] of rows) {
    const answer = await api.ask({ path: `${path}?${query}`, as: 'reader' });
    t.strictSame([answer.status, answer.json], [400, { error }], query);
  }
});
