import t from 'tap';
import { errorsOf, inFile } from '../fixtures/loaded-config.ts';

t.test('no prefix opens a way around the rules', (t) => {
  const refused = [
    '/',
    '/v2',
    '/V2',
    '/v2/',
    '/v2/x',
    '/gitlab',
    '/GitLab/v1',
    '/gitlab/v1/x',
    '/api',
    '/api/v2.0',
    '/API/V2.0/x',
  ];
  const unclear = ['', 'ui', '/%76%32', '/ui/../v2', '/ui//x', '/ui?x', '/ui#x', '/ui\\x', '//v2', '/ui;x'];
  for (const prefix of [...refused, ...unclear]) {
    const pattern = refused.includes(prefix) ? /a way around the rules/ : /no path in its canonical form/;
    const file = `${inFile}passthrough: [${JSON.stringify(prefix)}]\n`;
    t.match(errorsOf(t, { file }), [pattern], `"${prefix}"`);
  }
  for (const prefix of ['/ui', '/v3', '/v2x', '/gitlab/v2', '/jwt/auth', '/api/v1']) {
    t.same(errorsOf(t, { argv: ['--passthrough', prefix] }), [], prefix);
  }
  const entries: [entry: string, error: RegExp][] = [
    ['{ prefix: /ui, methods: [] }', /names no method; leave it out for GET, HEAD/],
    ['{ prefix: /ui, methods: [get] }', /did you mean GET\?/],
    ['{ prefix: /ui, methods: [CONNECT] }', /must be one of GET, HEAD, OPTIONS/],
    ['{ methods: [GET] }', /needs prefix/],
    ['[/ui]', /must be text/],
  ];
  for (const [entry, error] of entries) {
    t.match(errorsOf(t, { file: `${inFile}passthrough: [${entry}]\n` }), [error], entry);
  }
  t.end();
});
