import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { contentOf, readRepository, readScan, runScan } from '../fixtures/scan.ts';
import { immutable } from '../fixtures/rules-file.ts';
import { answerOci, startUpstream, type Script } from '../fixtures/upstream.ts';

const rules = immutable('^v');
const manifest = contentOf('application/vnd.oci.image.manifest.v1+json', { schemaVersion: 2, layers: [] });

/** A registry in which every repository has these tags, all of one manifest, but for what `exceptions` answers. */
function registryOf(
  repositories: readonly string[],
  tags: readonly string[],
  exceptions: (path: string, req: IncomingMessage, res: ServerResponse) => boolean = () => false,
): Script {
  return (req, res) => {
    const path = req.url ?? '';
    if (exceptions(path, req, res)) return;
    if (path.startsWith('/v2/_catalog')) res.end(JSON.stringify({ repositories }));
    else if (path.endsWith('/tags/list')) res.end(JSON.stringify({ tags }));
    else if (path.includes('/manifests/')) {
      const headers = { 'docker-content-digest': manifest.descriptor.digest };
      res.writeHead(200, headers).end(req.method === 'HEAD' ? undefined : manifest.bytes);
    } else if (path === '/v2/') res.end();
    else answerOci(res, 404, 'NOT_FOUND');
  };
}

t.test('the catalog is read page by page', async (t) => {
  const pages = [['a/one', 'a/two'], ['b/one'], ['b/two', '../c', 'Not A Name']];
  const registry = registryOf([], ['v1'], (path, _, res) => {
    if (!path.startsWith('/v2/_catalog')) return false;
    const page = Number(new URLSearchParams(path.split('?')[1]).get('last') ?? 0);
    if (page < 2) res.setHeader('link', `</v2/_catalog?last=${page + 1}>; rel="next"`);
    res.end(JSON.stringify({ repositories: pages[page] }));
    return true;
  });
  const { url } = await startUpstream(t, registry);
  const { exitCode, out } = await runScan(t, { upstream: url, rules, args: ['--json'] });
  t.equal(exitCode, 0);
  const scan = readScan(out);
  t.same(
    scan.repositories.map(({ repository }) => repository),
    ['a/one', 'a/two', 'b/one', 'b/two'],
    'what is no repository is left out',
  );
  t.equal(scan.totals.repositories, 4);
  t.equal(scan.totals.immutable, 4);
});

t.test('without a catalog repositories must be named', async (t) => {
  const registry = registryOf(['a/one'], ['v1', 'w'], (path, _, res) => {
    if (!path.startsWith('/v2/_catalog')) return false;
    answerOci(res, 401, 'UNAUTHORIZED');
    return true;
  });
  const { url } = await startUpstream(t, registry);
  const refused = await runScan(t, { upstream: url, rules, args: ['--json'] });
  t.equal(refused.exitCode, 2);
  t.equal(refused.out, '');
  t.match(refused.err.text, `${url} does not list its repositories (it answers 401); name repositories:`);
  const named = await runScan(t, { upstream: url, rules, args: ['a/two', '--json', 'a/one', 'a/two'] });
  t.equal(named.exitCode, 0);
  t.same(
    readScan(named.out).repositories.map(({ repository }) => repository),
    ['a/two', 'a/one'],
  );
});

t.test('what cannot be read is told beside the rest', async (t) => {
  const registry = registryOf(['a/closed', 'a/good', 'a/half', 'a/locked'], ['v1', 'w'], (path, _, res) => {
    if (path.startsWith('/v2/a/closed/')) answerOci(res, 403, 'DENIED');
    else if (path.startsWith('/v2/a/locked/')) answerOci(res, 401, 'UNAUTHORIZED');
    else if (path === '/v2/a/half/manifests/w') answerOci(res, 403, 'DENIED');
    else return false;
    return true;
  });
  const { url } = await startUpstream(t, registry);
  const { exitCode, out, err } = await runScan(t, { upstream: url, rules, args: ['--json'] });
  t.equal(exitCode, 2);
  t.equal(err.text, '', 'the document says it');
  const scan = readScan(out);
  t.equal(scan.totals.unread, 3);
  const errorOf = (name: string) => readRepository(scan, name).error;
  t.equal(errorOf('a/good'), null);
  t.equal(errorOf('a/closed'), 'its tags could not be listed: the registry does not let it be looked up');
  t.match(errorOf('a/locked'), /wants other credentials \(401\); give upstream.username/);
  t.equal(errorOf('a/half'), 'w could not be looked up: the registry does not let it be looked up');
  const half = readRepository(scan, 'a/half');
  t.same(
    half.tags.map(({ tag, digest, immutable }) => ({ tag, digest, immutable: immutable.length })),
    [
      { tag: 'v1', digest: manifest.descriptor.digest, immutable: 1 },
      { tag: 'w', digest: null, immutable: 0 },
    ],
    'what is known is told',
  );
  t.equal(half.unprotected, null, 'what nobody needs is not known then');
  const table = await runScan(t, { upstream: url, rules });
  t.equal(table.exitCode, 2);
  t.match(table.out, 'a/closed\n  cannot be read: its tags could not be listed: the registry does not');
  t.match(table.out, /a\/half\n {2}cannot be read: .*\n {2}TAG .*\n {2}v1 .*immutable/);
  t.match(table.out, '4 repositories, 4 tags, 3 could not be read\n');
});

t.test('an upstream that is away is told at once', async (t) => {
  const { exitCode, err, out } = await runScan(t, { upstream: 'http://127.0.0.1:9', rules });
  t.equal(exitCode, 2);
  t.match(err.text, /^tagwarden: upstream.url: http:\/\/127.0.0.1:9 does not answer \(connect ECONNREFUSED/);
  t.equal(out, '');
});

t.test('a tag whose manifest is gone has no digest, and is no failure', async (t) => {
  const registry = registryOf(['a/one'], ['v1'], (path, _, res) => {
    if (!path.includes('/manifests/')) return false;
    answerOci(res, 404, 'MANIFEST_UNKNOWN');
    return true;
  });
  const { url } = await startUpstream(t, registry);
  const { exitCode, out } = await runScan(t, { upstream: url, rules });
  t.equal(exitCode, 0);
  t.match(out, /^ {2}v1 {3}- {7}immutable/m);
});

t.test('the account of the configuration is used, and is told to nobody', async (t) => {
  const { url, requests } = await startUpstream(t, registryOf(['a/one'], ['v1']));
  const password = `${t.testdir({ password: 'pa55word\n' })}/password`;
  const config = `upstream: { username: reader, password_file: ${password} }\n`;
  const { exitCode, out, err } = await runScan(t, { upstream: url, rules, config });
  t.equal(exitCode, 0);
  const basic = `Basic ${Buffer.from('reader:pa55word').toString('base64')}`;
  const asked = requests.filter(({ target }) => target !== '/v2/');
  t.ok(asked.length >= 4);
  t.ok(
    asked.every(({ headers }) => headers.authorization === basic),
    'at every address',
  );
  t.ok(
    asked.every(({ method }) => method === 'GET' || method === 'HEAD'),
    'nothing is written',
  );
  t.notMatch(out + err.text, /pa55word|Basic/);
});

t.test('few repositories and few requests are under way at a time', async (t) => {
  const names = Array.from({ length: 16 }, (_, index) => `a/r${String(index).padStart(2, '0')}`);
  const tags = Array.from({ length: 20 }, (_, index) => `t${index}`);
  const registry = registryOf(names, tags);
  const running = { requests: 0, most: 0 };
  const begun = new Set<string>();
  const { url } = await startUpstream(t, async (req, res, recorded) => {
    running.most = Math.max(running.most, ++running.requests);
    const repository = /a\/r\d\d/.exec(req.url ?? '')?.[0];
    if (repository !== undefined) begun.add(repository);
    // The first one takes long: it holds up those that are far behind it.
    await sleep(repository === 'a/r00' ? 60 : 20);
    running.requests -= 1;
    await registry(req, res, recorded);
  });
  const seen: number[] = [];
  const onWrite = (): void => void seen.push(begun.size);
  const { exitCode, out } = await runScan(t, { upstream: url, rules, args: ['--json'], onWrite });
  t.equal(exitCode, 0);
  t.same(
    readScan(out).repositories.map(({ repository }) => repository),
    names,
    'in order',
  );
  t.ok(running.most <= 16, `${running.most} requests at a time`);
  t.ok(running.most > 8, 'more than one by one');
  // The second write is the first repository.
  t.ok((seen[1] ?? 0) <= 8, `${seen[1] ?? 0} repositories were begun when the first was told`);
});

t.test('an interrupted scan tells what it has, as a whole document', async (t) => {
  const names = ['a/one', 'a/two', 'a/three'];
  const registry = registryOf(names, ['v1']);
  const { url } = await startUpstream(t, (req, res, recorded) => {
    // Never answers.
    if (req.url?.startsWith('/v2/a/two/')) return undefined;
    return registry(req, res, recorded);
  });
  for (const args of [['--json'], []]) {
    const interrupted = new AbortController();
    const { exitCode, out } = await runScan(t, {
      ...{ upstream: url, rules, args, signal: interrupted.signal },
      onWrite: (text) => {
        if (text.includes('a/one')) interrupted.abort();
      },
    });
    t.equal(exitCode, 130);
    if (args.length === 0) t.match(out, 'interrupted: not all repositories were scanned\n');
    else {
      const scan = readScan(out);
      t.equal(scan.interrupted, true);
      t.same(
        scan.repositories.map(({ repository }) => repository),
        ['a/one'],
      );
    }
  }
});

t.test('what refers to a protected image is needed where the registry says what refers to it', async (t) => {
  const index = (digests: readonly string[]): string =>
    JSON.stringify({
      manifests: digests.map((digest) => ({ ...manifest.descriptor, digest })),
    });
  const [image, other, signature, note] = ['v1', 'w', 'signature', 'note'].map((text) =>
    contentOf(manifest.descriptor.mediaType, { schemaVersion: 2, annotations: { text } }),
  );
  if (!image || !other || !signature || !note) return t.fail();
  const contents = new Map(
    [image, other, signature, note].map((content) => [content.descriptor.digest, content]),
  );
  const tags = { v1: image, w: other };
  const registry = registryOf(['a/one'], Object.keys(tags), (path, req, res) => {
    const [, kind, reference = ''] = /\/(manifests|referrers)\/(.*)$/.exec(path) ?? [];
    const content = contents.get(reference) ?? tags[reference as keyof typeof tags];
    if (kind === 'manifests') {
      res.setHeader('docker-content-digest', content.descriptor.digest);
      res.end(req.method === 'HEAD' ? undefined : content.bytes);
    } else if (kind === 'referrers') {
      res.end(
        index(
          content === image
            ? [signature.descriptor.digest]
            : content === other
              ? [note.descriptor.digest]
              : [],
        ),
      );
    }
    return kind !== undefined;
  });
  const { url } = await startUpstream(t, registry);
  const { out } = await runScan(t, { upstream: url, rules, args: ['--json'] });
  t.same(
    readRepository(readScan(out), 'a/one').unprotected?.manifests.map(({ digest }) => digest),
    [other, note].map(({ descriptor }) => descriptor.digest).sort(),
  );
});

t.test('a layer that a cache lists as BuildKit does is a blob', async (t) => {
  const layer = contentOf('application/vnd.oci.image.layer.v1.tar', { is: 'no manifest' });
  const { digest, size } = layer.descriptor;
  const cache = contentOf('application/vnd.oci.image.index.v1+json', {
    schemaVersion: 2,
    manifests: [{ digest, size }],
  });
  const registry = registryOf(['a/one'], ['cache'], (path, req, res) => {
    const isHead = req.method === 'HEAD';
    if (path.endsWith(`/manifests/${digest}`)) answerOci(res, 500, 'UNKNOWN');
    else if (path.endsWith(`/blobs/${digest}`)) res.end(isHead ? undefined : layer.bytes);
    else if (path.includes('/manifests/')) {
      res.setHeader('docker-content-digest', cache.descriptor.digest).end(isHead ? undefined : cache.bytes);
    } else return false;
    return true;
  });
  const { url } = await startUpstream(t, registry);
  const { exitCode, out } = await runScan(t, { upstream: url, rules, args: ['--json'] });
  t.equal(exitCode, 0);
  t.same(readRepository(readScan(out), 'a/one').unprotected, {
    manifests: [{ digest: cache.descriptor.digest, bytes: cache.bytes.length }],
    blobs: [{ digest, bytes: size }],
  });
});

t.test('while the switch is off immutable rules do not count', async (t) => {
  const { url } = await startUpstream(t, registryOf(['a/one'], ['v1']));
  const off = ['--immutability-enabled', 'false'];
  const table = await runScan(t, { upstream: url, rules, args: off });
  t.match(table.out, 'immutable rules do not count: immutability.enabled is false\n');
  t.match(table.out, /v1 .* {2}-\n/);
  const scan = readScan((await runScan(t, { upstream: url, rules, args: [...off, '--json'] })).out);
  t.equal(scan.rules.immutability, false);
  t.equal(scan.totals.protected, 0);
  t.same(scan.totals.unprotected.manifests, { count: 1, bytes: manifest.bytes.length });
});

t.test('a registry without repositories, and a repository without tags', async (t) => {
  const upstream = await startUpstream(t, registryOf([], []));
  const none = await runScan(t, { upstream: upstream.url, rules, args: ['--json'] });
  t.equal(none.exitCode, 0);
  t.same(readScan(none.out).repositories, []);
  const table = await runScan(t, { upstream: upstream.url, rules, args: ['a/one'] });
  t.equal(table.exitCode, 0);
  t.ok(table.out.startsWith('a/one\n  has no tags\n\n1 repository, 0 tags\n'));
});
