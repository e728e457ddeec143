import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ask, headerOf, refusalOf, type Answer } from '../fixtures/ask.ts';
import { startFront, type Front } from '../fixtures/front.ts';
import { digestOf } from '../fixtures/image.ts';
import { workerCount } from '../fixtures/tagwarden.ts';
import { answerOci, type Recorded, type Script } from '../fixtures/upstream.ts';

const rules = `tag_rules:
  - id: releases
    tag_name_pattern: ^v
    immutable: true
`;
const free = digestOf(Buffer.from('needed by nobody'));
const sparse = digestOf(Buffer.from('listed, and not there'));

/** An index of an image of one layer and of an image that is not there; each repository's is its own. */
function contentOf(
  repository: string,
): Record<'layer' | 'image' | 'index', { bytes: Buffer; digest: string }> {
  const described = (bytes: Buffer): { bytes: Buffer; digest: string } => ({
    bytes,
    digest: digestOf(bytes),
  });
  const layer = described(Buffer.from(`a layer of ${repository}`));
  const image = described(
    Buffer.from(JSON.stringify({ schemaVersion: 2, layers: [{ digest: layer.digest }] })),
  );
  const manifests = [image.digest, sparse].map((digest) => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest,
  }));
  return { layer, image, index: described(Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }))) };
}

const unknownManifest: Script = (_, res) => {
  answerOci(res, 404, 'MANIFEST_UNKNOWN');
};
const silent: Script = () => undefined;
const reset: Script = (req) => void req.socket.destroy();

function answering(status: number, body: string | Buffer = '', headers: Record<string, string> = {}): Script {
  return (_, res) => void res.writeHead(status, headers).end(body);
}

function page(tags: readonly string[], link?: string): Script {
  return answering(200, JSON.stringify({ name: 'app', tags }), link === undefined ? {} : { Link: link });
}

const page2 = 'tags/list?last=dev&n=1';

type Routes = Readonly<Record<string, Script>>;

/** What a registry answers of which `v1`, on the second page, is the index. */
function sound(repository: string): Routes {
  const { image, index } = contentOf(repository);
  return {
    'GET tags/list': page(['dev'], `</v2/${repository}/${page2}>; rel="next"`),
    [`GET ${page2}`]: page(['v1']),
    'GET manifests/v1': answering(200, index.bytes, { 'Docker-Content-Digest': index.digest }),
    [`GET manifests/${index.digest}`]: answering(200, index.bytes),
    [`GET manifests/${image.digest}`]: answering(200, image.bytes),
  };
}

/** One upstream and one Tagwarden for all: each repository answers in its own way. */
function startApps(
  t: Test,
  apps: Readonly<Record<string, Routes>>,
  flags: readonly string[] = [],
): Promise<Front> {
  const script: Script = (req, res, recorded) => {
    const { repository, route } = placeOf(recorded);
    const answer = apps[repository]?.[route] ?? sound(repository)[route];
    if (answer) return answer(req, res, recorded);
    if (req.method === 'DELETE') return void res.writeHead(202).end();
    if (route.includes(' manifests/')) return unknownManifest(req, res, recorded);
    res.writeHead(404).end('404 page not found');
  };
  return startFront(t, script, { rules, flags });
}

function placeOf({ method, target }: Recorded): { readonly repository: string; readonly route: string } {
  const [, repository = '', path = ''] = /^\/v2\/([^/]+)\/(.*)$/.exec(target) ?? [];
  return { repository, route: `${method} ${path}` };
}

function routesAsked({ upstream }: Front, repository: string): readonly string[] {
  return upstream.requests
    .map(placeOf)
    .filter((place) => place.repository === repository)
    .map(({ route }) => route);
}

function remove({ url }: Front, repository: string, path: string): Promise<Answer> {
  return ask(`${url}/v2/${repository}/${path}`, { method: 'DELETE' });
}

function layerOf(repository: string): string {
  return `blobs/${contentOf(repository).layer.digest}`;
}

function isDenied(t: Test, answer: Answer, what: string): void {
  t.match(refusalOf(answer), /^403 DENIED: \S+ is needed by immutable tag \S+:v1 \(rule releases\)/, what);
}

const app = contentOf('app');
const needed = [
  ...[app.index.digest, app.image.digest, sparse, app.layer.digest].map((digest) => `manifests/${digest}`),
  ...[app.layer.digest, app.image.digest].map((digest) => `blobs/${digest}`),
];

t.test('what a tag on the second page needs is kept, and nothing else', async (t) => {
  const front = await startApps(t, {});
  for (const path of needed) isDenied(t, await remove(front, 'app', path), path);
  t.equal((await remove(front, 'app', `blobs/${free}`)).status, 202);
  t.equal((await remove(front, 'app', `manifests/${free}`)).status, 202);
  const forwarded = routesAsked(front, 'app').filter((route) => route.startsWith('DELETE'));
  t.strictSame(forwarded, [`DELETE blobs/${free}`, `DELETE manifests/${free}`]);
});

t.test('pages are followed, however their links are written', async (t) => {
  const links = {
    absolute: `<https://elsewhere.example/v2/app/${page2}>; rel="next"`,
    unquoted: `</v2/app/${page2}>; rel=next`,
    'second-of-two': `</v2/app/tags/list?last=a>; rel="prev", </v2/app/${page2}>; rel="next"`,
    'first-of-two': `</v2/app/${page2}>; rel="next", </v2/app/tags/list>; rel="first"`,
    'with-more': `</v2/app/${page2}>; title="more"; rel="next"`,
    'of-two-relations': `</v2/app/${page2}>; rel="last next"`,
  };
  const apps: Record<string, Routes> = {};
  for (const [name, link] of Object.entries(links)) apps[name] = { 'GET tags/list': page(['dev'], link) };
  const front = await startApps(t, apps);
  for (const name of Object.keys(links)) isDenied(t, await remove(front, name, layerOf(name)), name);
});

t.test(
  'what a registry holds as a blob, and cannot show as a manifest, is deleted by either route',
  async (t) => {
    const heads = {
      shown: answering(200, '', { 'Content-Length': String(2 ** 40) }),
      redirected: answering(307, '', { Location: 'https://storage.example/' }),
    };
    const apps: Record<string, Routes> = {};
    for (const [name, head] of Object.entries(heads)) {
      const digests = [free, contentOf(name).layer.digest];
      apps[name] = Object.fromEntries(
        digests.flatMap((digest) => [
          [`GET manifests/${digest}`, answering(500)] as const,
          [`HEAD blobs/${digest}`, head] as const,
        ]),
      );
    }
    const front = await startApps(t, apps);
    for (const name of Object.keys(heads)) {
      t.equal((await remove(front, name, `manifests/${free}`)).status, 202, name);
      isDenied(t, await remove(front, name, `manifests/${contentOf(name).layer.digest}`), name);
    }
  },
);

t.test('a manifest is the same by each of its names', async (t) => {
  const { index } = contentOf('app');
  const other = `sha512:${createHash('sha512').update(index.bytes).digest('hex')}`;
  const named = { [`GET manifests/${other}`]: answering(200, index.bytes) };
  const front = await startApps(t, {
    // The tag has it by the one name, and it is deleted by the other.
    app: named,
    other: {
      ...named,
      [`GET manifests/${index.digest}`]: answering(200, index.bytes),
      'GET manifests/v1': answering(200, index.bytes, { 'Docker-Content-Digest': other }),
    },
  });
  isDenied(t, await remove(front, 'app', `manifests/${other}`), 'by SHA-512');
  isDenied(t, await remove(front, 'other', `manifests/${index.digest}`), 'by SHA-256');
});

t.test('a tag whose manifest is gone needs nothing', async (t) => {
  const front = await startApps(t, { dangling: { 'GET manifests/v1': unknownManifest } });
  t.equal((await remove(front, 'dangling', layerOf('dangling'))).status, 202);
});

t.test('a repository that is not there, or has no tags, needs nothing', async (t) => {
  const listings = {
    absent: (_, res) => {
      answerOci(res, 404, 'NAME_UNKNOWN');
    },
    null: answering(200, '{"name":"null","tags":null}'),
    none: answering(200, '{"name":"none","tags":[]}'),
    unsaid: answering(200, '{"name":"unsaid"}'),
  } satisfies Record<string, Script>;
  const apps: Record<string, Routes> = {};
  for (const [name, list] of Object.entries(listings)) apps[name] = { 'GET tags/list': list };
  const front = await startApps(t, apps);
  for (const name of Object.keys(listings)) {
    t.equal((await remove(front, name, layerOf(name))).status, 202, name);
  }
});

t.test('a walk is over when its budget is', async (t) => {
  const tags = { 'GET tags/list': page(['v1', 'v2', 'v3']) };
  const slow: Script = (req, res, recorded) => {
    setTimeout(() => void page(['v1'])(req, res, recorded), 1_500);
  };
  const apps = { many: tags, slow: { 'GET tags/list': slow } };
  const front = await startApps(t, apps, ['--deletes-tag-limit', '2', '--deletes-walk-seconds', '1']);
  const reasons = {
    many: /^503 UNAVAILABLE: .*\(more than 2 tags are protected\); try again$/,
    slow: /^503 UNAVAILABLE: .*\(.*\); try again$/,
  };
  for (const [name, reason] of Object.entries(reasons)) {
    const answer = await remove(front, name, layerOf(name));
    t.match(refusalOf(answer), reason, name);
    t.ok(headerOf(answer, 'retry-after'), name);
    t.notOk(
      routesAsked(front, name).some((route) => route.startsWith('DELETE')),
      'nothing is deleted',
    );
  }
  isDenied(t, await remove(front, 'app', layerOf('app')), 'within its budget');
});

const html = answering(200, '<h1>Maintenance</h1>');
const failures: Readonly<Record<string, Script>> = {
  'status-500': answering(500),
  'status-502': answering(502, '<h1>Bad Gateway</h1>'),
  'status-429': answering(429),
  'html-404': answering(404, '<h1>Not Found</h1>'),
  html,
  silent,
  reset,
};
const strangeLists: Readonly<Record<string, Script>> = {
  ...failures,
  'no-list': answering(200, '{}'),
  number: answering(200, '5'),
  list: answering(200, '["v1"]'),
  text: answering(200, '"tags"'),
  'tags-no-list': answering(200, '{"name":"app","tags":{"v1":true}}'),
  'cut-json': answering(200, '{"name":"app","tags":["de'),
};
const strangeManifests: Readonly<Record<string, Script>> = {
  ...failures,
  other: answering(200, '{"schemaVersion":2,"layers":[]}'),
  'other-with-signatures': answering(200, '{"schemaVersion":2,"layers":[],"note":{"signatures":[]}}'),
  empty: answering(200),
};
/** What goes wrong, at which routes of a repository. */
const faults: readonly (readonly [(repository: string) => readonly string[], Routes])[] = [
  [() => ['GET tags/list'], strangeLists],
  [() => [`GET ${page2}`], strangeLists],
  [
    () => ['GET manifests/v1'],
    {
      ...strangeManifests,
      'bad-digest': answering(200, '{}', { 'Docker-Content-Digest': 'sha256:a' }),
      'other-bytes': answering(200, '{}', { 'Docker-Content-Digest': app.index.digest }),
      'no-digest': answering(200, app.index.bytes),
    },
  ],
  [(repository) => [`GET manifests/${contentOf(repository).image.digest}`], strangeManifests],
  [
    (repository) => [`GET referrers/${contentOf(repository).index.digest}`],
    { 'status-500': answering(500), silent, reset },
  ],
];

// Both wait for the twenty seconds that a walk may take.
t.jobs = 2;

t.test('where the walk fails it is undecided, and nothing is deleted', { buffered: true }, async (t) => {
  const cases = faults.flatMap(([routesOf, scripts], at) =>
    Object.entries(scripts).map(([what, script]) => {
      const name = `${what}-${at}`;
      const routes = routesOf(name);
      const app = Object.fromEntries(routes.map((route) => [route, script]));
      return { what: `${what} to ${routes.join()}`, name, app };
    }),
  );
  const front = await startApps(t, Object.fromEntries(cases.map(({ name, app }) => [name, app])));
  const startedMs = performance.now();
  // Each for as long as a walk may take: all at the same time.
  await Promise.all(
    cases.map(async ({ name, what }) => {
      const answer = await remove(front, name, `blobs/${free}`);
      t.match(refusalOf(answer), /^503 UNAVAILABLE: cannot tell whether a protected tag of /, what);
      t.ok(Number(headerOf(answer, 'retry-after')) > 0, what);
      const forwarded = routesAsked(front, name).filter((route) => route.startsWith('DELETE'));
      t.strictSame(forwarded, [], what);
    }),
  );
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  t.ok(seconds >= 15 && seconds <= 30, `${seconds} s: the upstream was asked again and again, and no longer`);
});

t.test('where what is to be deleted cannot be read it is undecided', { buffered: true }, async (t) => {
  const app = { [`GET manifests/${free}`]: answering(500) };
  const front = await startApps(t, { app });
  t.match(refusalOf(await remove(front, 'app', `manifests/${free}`)), /^503 UNAVAILABLE: /);
  t.notOk(routesAsked(front, 'app').includes(`DELETE manifests/${free}`));
});

t.test('what fails once is asked again', async (t) => {
  let failed = 0;
  const once =
    (route: string): Script =>
    (req, res, recorded) => {
      const script = failed++ === 0 ? answering(500) : sound('app')[route];
      return script?.(req, res, recorded);
    };
  const front = await startApps(t, { app: { [`GET ${page2}`]: once(`GET ${page2}`) } });
  isDenied(t, await remove(front, 'app', layerOf('app')), 'a layer');
  t.ok(failed > 1);
});

t.test('100 deletes at the same time walk the repository twice at most', async (t) => {
  const slowly: Script = async (req, res, recorded) => {
    await sleep(500);
    return page(['dev', 'v1'])(req, res, recorded);
  };
  const front = await startApps(t, { app: { 'GET tags/list': slowly } });
  const paths = Array.from({ length: 50 }, (_, at) => [
    `blobs/${digestOf(Buffer.from(`free ${at}`))}`,
    layerOf('app'),
  ]).flat();
  const answers = await Promise.all(
    paths.map(async (path) => [path, await remove(front, 'app', path)] as const),
  );
  for (const [path, answer] of answers) t.equal(answer.status, path === layerOf('app') ? 403 : 202, path);
  const lists = routesAsked(front, 'app').filter((route) => route === 'GET tags/list');
  t.ok(lists.length <= 2 * workerCount, `${lists.length} walks`);
});
