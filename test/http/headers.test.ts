import t from 'tap';
import { listedHeaders, requestHeaders, responseHeaders } from '../../src/http/headers.ts';
import { newTrail } from '../../src/http/trail.ts';

const addressed = {
  client: '192.0.2.1',
  forwardedFor: '192.0.2.1',
  protocol: 'https',
  host: 'registry.example',
};
const exchange = { addressed, trail: newTrail('id-1', () => '') };
const ours = [
  ...['Host', 'registry.example', 'X-Forwarded-For', '192.0.2.1'],
  ...['X-Forwarded-Proto', 'https', 'X-Forwarded-Host', 'registry.example', 'X-Request-Id', 'id-1'],
];

t.test('what goes upstream', (t) => {
  const received: [name: string, header: string, sent: boolean][] = [
    ['several Accept', 'Accept', true],
    ['credentials', 'Authorization', true],
    ['ranges', 'Content-Range', true],
    ['an unknown header', 'X-Meta', true],
    ['hop by hop', 'Connection', false],
    ['hop by hop', 'Keep-Alive', false],
    ['hop by hop', 'TE', false],
    ['hop by hop', 'Transfer-Encoding', false],
    ['hop by hop', 'Proxy-Authorization', false],
    ['an upgrade to HTTP/2', 'Upgrade', false],
    ['an upgrade to HTTP/2', 'HTTP2-Settings', false],
    ['undici throws on it', 'Expect', false],
    ['set anew', 'Content-Length', false],
    ['another method', 'X-HTTP-Method-Override', false],
    ['another method', 'X-Method-Override', false],
    ['another path', 'X-Original-URL', false],
    ['another path', 'X-Rewrite-Url', false],
    ['poisons Location', 'Forwarded', false],
    ['poisons Location', 'X-Forwarded-Host', false],
    ['poisons Location', 'X-FORWARDED-Prefix', false],
    ['claims an address', 'X-Real-IP', false],
    ['replaced by what it is logged as', 'X-Request-Id', false],
  ];
  for (const [name, header, sent] of received) {
    const headers = requestHeaders([header, 'a', header, 'b'], exchange);
    t.same(headers, sent ? [header, 'a', header, 'b', ...ours] : ours, `${header}: ${name}`);
  }
  t.same(
    requestHeaders(['connection', 'X-Secret, close', 'x-secret', '1'], exchange),
    ours,
    'named in Connection',
  );
  t.end();
});

t.test('what comes back', (t) => {
  const rewriting = { addressed, upstreamOrigin: 'http://127.0.0.1:5000', isWrite: true };
  const back = (headers: string[], status = 200): string[] => responseHeaders(headers, status, rewriting);
  t.same(
    back(['Link', '<a>', 'Link', '<b>']),
    ['Link', '<a>', 'Link', '<b>'],
    'repeated headers stay repeated',
  );
  t.same(
    back([
      'Connection',
      'X-Hop',
      'X-Hop',
      '1',
      'Transfer-Encoding',
      'chunked',
      'Alt-Svc',
      'h3=":443"',
      'X-Request-ID',
      'its-own',
    ]),
    [],
  );
  t.same(back(['Content-Length', '0'], 204), []);
  t.same(back(['Content-Length', '5'], 304), ['Content-Length', '5']);
  t.end();
});

t.test('Location and Link: what names the upstream is brought back, object storage is left alone', (t) => {
  const location = (value: string, isWrite: boolean): string | undefined =>
    responseHeaders(['Location', value], 202, {
      addressed,
      upstreamOrigin: 'http://127.0.0.1:5000',
      isWrite,
    })[1];
  const upload = '/v2/a/blobs/uploads/u?_state=x%3D%3D&y=%2f';
  const table: [from: string, isWrite: boolean, to: string][] = [
    [`http://127.0.0.1:5000${upload}`, true, `https://registry.example${upload}`],
    [`http://127.0.0.1:5000${upload}`, false, `https://registry.example${upload}`],
    [`//127.0.0.1:5000${upload}`, true, `https://registry.example${upload}`],
    [`http://registry.internal${upload}`, true, `https://registry.example${upload}`],
    [upload, true, upload],
    ['https://s3.example/bucket/v2/x?sig=%2F', true, 'https://s3.example/bucket/v2/x?sig=%2F'],
    ['https://s3.example/v2/x', false, 'https://s3.example/v2/x'],
    ['http://127.0.0.1:50001/x', false, 'http://127.0.0.1:50001/x'],
    ['http://[', true, 'http://['],
  ];
  for (const [from, isWrite, to] of table) t.equal(location(from, isWrite), to, from);
  const link = responseHeaders(['Link', '<http://127.0.0.1:5000/v2/_catalog?last=a&n=1>; rel="next"'], 200, {
    addressed,
    upstreamOrigin: 'http://127.0.0.1:5000',
    isWrite: false,
  });
  t.same(link, ['Link', '<https://registry.example/v2/_catalog?last=a&n=1>; rel="next"']);
  t.end();
});

t.test('with a write, where the upstream alone checks credentials, only what is listed goes on', (t) => {
  const listed = [
    'Authorization',
    'Accept',
    'Content-Type',
    'Content-Length',
    'Content-Range',
    'Range',
    'User-Agent',
  ];
  const others = [
    'Cookie',
    'X-API-Key',
    'X-JFrog-Art-Api',
    'PRIVATE-TOKEN',
    'X-Auth-Request-User',
    'Authorization2',
  ];
  for (const name of listed) t.same(listedHeaders([name, 'a']), [name, 'a'], name);
  for (const name of others) t.same(listedHeaders([name, 'a']), [], name);
  t.end();
});
