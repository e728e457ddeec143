import { writeFileSync } from 'node:fs';
import t from 'tap';
import { ask, refusalOf } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { startFront, type Front } from '../fixtures/front.ts';
import { digestOf } from '../fixtures/image.ts';
import { answerOci, type Script } from '../fixtures/upstream.ts';

const image = Buffer.from(JSON.stringify({ schemaVersion: 2, layers: [] }));
const digest = digestOf(image);
const rulesOf = (...patterns: readonly string[]): string =>
  `tag_rules:\n${patterns.map((pattern) => `  - { id: by-${pattern}, tag_name_pattern: ^${pattern}, immutable: true }\n`).join('')}`;

/** A registry with one tag; `onList` is waited for before the tags are listed. */
function registryWith(onList: () => Promise<void>): Script {
  return async (req, res) => {
    const { method, url = '' } = req;
    if (url.endsWith('tags/list')) {
      await onList();
      res.end(JSON.stringify({ name: 'app', tags: ['v1'] }));
    } else if (method === 'DELETE') res.writeHead(202).end();
    else if (url.endsWith(digest) || url.endsWith('v1')) {
      res.setHeader('Docker-Content-Digest', digest).end(method === 'HEAD' ? undefined : image);
    } else if (url.includes('/manifests/')) answerOci(res, 404, 'MANIFEST_UNKNOWN');
    else res.writeHead(404).end();
  };
}

function deletesOf({ upstream }: Front): number {
  return upstream.requests.filter(({ method }) => method === 'DELETE').length;
}

t.test('a tag that becomes immutable while its repository is being walked', async (t) => {
  let change = (): Promise<void> => Promise.resolve();
  const front = await startFront(
    t,
    registryWith(() => change()),
    { rules: rulesOf('other') },
  );
  const { tagwarden, url } = front;
  change = async () => {
    change = () => Promise.resolve();
    writeFileSync(tagwarden.rulesFile, rulesOf('other', 'v'));
    await eventually('the rule is in force', () => tagwarden.logs.some(({ tagRules }) => tagRules === 2));
  };
  const answer = await ask(`${url}/v2/app/manifests/${digest}`, { method: 'DELETE' });
  t.match(refusalOf(answer), /^403 DENIED: manifest is needed by immutable tag app:v1 \(rule by-v\)/);
  t.equal(deletesOf(front), 0);
});

t.test('rules that change under every walk', async (t) => {
  let changes = 0;
  const front = await startFront(
    t,
    registryWith(async () => {
      changes += 1;
      writeFileSync(
        tagwarden.rulesFile,
        rulesOf('other', ...Array.from({ length: changes }, (_, at) => `x${at}`)),
      );
      const isInForce = () => tagwarden.logs.some(({ tagRules }) => tagRules === changes + 1);
      await eventually('they are in force', isInForce);
    }),
    { rules: rulesOf('other') },
  );
  const { tagwarden, url } = front;
  const answer = await ask(`${url}/v2/app/manifests/${digest}`, { method: 'DELETE' });
  t.match(refusalOf(answer), /^503 UNAVAILABLE: the rules changed meanwhile; try again/);
  t.equal(deletesOf(front), 0);
});

t.test('an index is pushed by somebody who may not read its children', async (t) => {
  const front = await startFront(
    t,
    (req, res) => {
      if (req.method === 'PUT') return void req.on('end', () => res.writeHead(201).end()).resume();
      res.writeHead(401, { 'WWW-Authenticate': 'Basic realm="registry"' }).end();
    },
    { rules: rulesOf('v') },
  );
  const index = JSON.stringify({ schemaVersion: 2, manifests: [{ digest }] });
  const push = (tag: string) =>
    ask(`${front.url}/v2/app/manifests/${tag}`, { method: 'PUT', body: Buffer.from(index) });
  t.equal((await push('dev')).status, 201, 'no look-up is needed');
  t.equal((await push('v1')).status, 401, 'a look-up is needed, and the client may have other credentials');
});
