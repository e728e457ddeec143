import t, { type Test } from 'tap';
import { InMemoryLedger } from '../../src/adapters/ledger-memory.ts';
import { ManifestCache } from '../../src/adapters/manifest-cache.ts';
import { PatientReader } from '../../src/adapters/patient-reader.ts';
import { RepositoryNeeds } from '../../src/adapters/repository-needs.ts';
import { RepositoryReads } from '../../src/adapters/repository-reads.ts';
import { UpstreamTagFacts } from '../../src/adapters/tag-facts.ts';
import { Upstream } from '../../src/adapters/upstream.ts';
import { inForceAfter } from '../../src/adapters/rules-in-force.ts';
import type { Digest, Repository, Tag } from '../../src/core/reference.ts';
import type { RuleSet } from '../../src/core/rule.ts';
import { digestOf } from '../fixtures/image.ts';
import { immutableTags, protectedTags, ruleSet } from '../fixtures/rules.ts';
import { answerOci, startUpstream, type ScriptedUpstream } from '../fixtures/upstream.ts';

const repository = 'a/b' as Repository;
const rules = ruleSet({ tagRules: [immutableTags('releases', '^v')] });

interface Scene {
  readonly upstream: ScriptedUpstream;
  readonly ledger: InMemoryLedger;
  readonly clock: { nowMs: () => number; sleep: () => Promise<void> };
  /** Path → body; what is not there is a route that the registry does not have. */
  readonly bodies: Map<string, string>;
  nowMs: number;
  readonly tagsNeeding: (target: string, inForce?: RuleSet) => Promise<readonly string[]>;
  readonly asked: (part: string) => number;
}

async function openScene(t: Test): Promise<Scene> {
  const bodies = new Map<string, string>();
  const upstream = await startUpstream(t, (req, res) => {
    const path = (req.url ?? '').replace(`/v2/${repository}/`, '');
    const body = bodies.get(path);
    if (body !== undefined)
      return void res.setHeader('Docker-Content-Digest', digestOf(Buffer.from(body))).end(body);
    if (path.startsWith('manifests/')) answerOci(res, 404, 'MANIFEST_UNKNOWN');
    else res.writeHead(404).end('404 page not found');
  });
  const client = new Upstream({ origin: upstream.url });
  t.teardown(() => client.close());
  const scene = { upstream, bodies, ledger: new InMemoryLedger(), nowMs: 1_000_000 };
  const clock = { nowMs: () => scene.nowMs, sleep: () => Promise.resolve() };
  const reader = new PatientReader(client, clock);
  const reads = new RepositoryReads(reader);
  const facts = new UpstreamTagFacts(reader);
  const manifests = new ManifestCache(reads);
  const needs = new RepositoryNeeds({ reads, manifests, facts, ledger: scene.ledger, clock, tagLimit: 3 });
  const tagsNeeding = async (target: string, inForce = rules): Promise<readonly string[]> => {
    const asked = { repository, target: target as Digest, isManifest: true, asCaller: [] };
    const question = { ...asked, rules: inForce };
    const fact = await needs.tagsNeeding({ ...question, isVerified: false, claimed: [], withinMs: 2_000 });
    return fact.state === 'known' ? [...fact.tags].map(({ tag }) => tag) : [`unknown: ${fact.reason}`];
  };
  const asked = (part: string): number =>
    upstream.requests.filter(({ target }) => target.includes(part)).length;
  return Object.assign(scene, { clock, tagsNeeding, asked });
}

/** A manifest, by which name the scene serves it: its digest. */
function serve({ bodies }: Scene, document: object, ...tags: readonly string[]): string {
  const body = JSON.stringify(document);
  const digest = digestOf(Buffer.from(body));
  for (const name of [digest, ...tags]) bodies.set(`manifests/${name}`, body);
  return digest;
}

function listTags({ bodies }: Scene, ...tags: readonly string[]): void {
  bodies.set('tags/list', JSON.stringify({ name: repository, tags }));
}

t.test(
  'an immutable tag is not looked up again soon, and looked up again later: it may have been moved',
  async (t) => {
    const scene = await openScene(t);
    const [was, is] = [serve(scene, { was: 1 }), serve(scene, { is: 2 }, 'v1')];
    listTags(scene, 'v1');
    await scene.ledger.note({ repository, tag: 'v1' as Tag, digest: was as Digest, seenMs: scene.nowMs });
    t.same(await scene.tagsNeeding(was), ['v1']);
    t.equal(scene.asked('manifests/v1'), 0);
    scene.nowMs += 61_000;
    t.same(await scene.tagsNeeding(is), ['v1'], 'what it was then could deny, and must not allow');
  },
);

t.test('a registry without the Referrers API is asked for it once in each walk', async (t) => {
  const scene = await openScene(t);
  const images = ['v1', 'v2', 'v3'].map((tag) => serve(scene, { tag }, tag));
  listTags(scene, 'v1', 'v2', 'v3');
  for (const [at, image] of images.entries()) {
    t.same(await scene.tagsNeeding(image), [`v${at + 1}`]);
    t.equal(scene.asked('referrers/'), at + 1);
  }
});

t.test('what the Referrers API lists belongs to the image, with all that it needs', async (t) => {
  const scene = await openScene(t);
  const image = serve(scene, { image: 1 }, 'v1');
  const layer = digestOf(Buffer.from('payload'));
  const signature = serve(scene, { layers: [{ digest: layer }] });
  scene.bodies.set(`referrers/${image}`, JSON.stringify({ manifests: [{ digest: signature }] }));
  for (const digest of [signature, layer])
    scene.bodies.set(`referrers/${digest}`, JSON.stringify({ manifests: [] }));
  listTags(scene, 'v1');
  t.same(await scene.tagsNeeding(signature), ['v1']);
  t.same(await scene.tagsNeeding(layer), ['v1']);
  t.same(await scene.tagsNeeding(digestOf(Buffer.from('another'))), []);
});

t.test('a web page is no list of referrers', async (t) => {
  const scene = await openScene(t);
  const image = serve(scene, { image: 1 }, 'v1');
  scene.bodies.set(`referrers/${image}`, '<html>');
  listTags(scene, 'v1');
  t.same(await scene.tagsNeeding(image), ['v1']);
  t.equal(scene.asked('referrers/'), 1, 'it does not have them');
});

t.test('more protected tags than are walked', async (t) => {
  const scene = await openScene(t);
  const image = serve(scene, { image: 1 }, 'v1', 'v2', 'v3', 'v4');
  listTags(scene, 'v1', 'v2', 'v3', 'dev');
  t.same(await scene.tagsNeeding(image), ['v1', 'v2', 'v3']);
  listTags(scene, 'v1', 'v2', 'v3', 'v4');
  t.same(await scene.tagsNeeding(image), ['unknown: more than 3 tags are protected']);
});

/** Asked at once, so that those who come later share the next walk where they may. */
async function askTogether(scene: Scene, target: string, all: readonly RuleSet[]): Promise<unknown[]> {
  return Promise.all(all.map((inForce) => scene.tagsNeeding(target, inForce)));
}

t.test('fix: a walk for rules that only warn is not shared with who is judged', async (t) => {
  const scene = await openScene(t);
  const target = serve(scene, { is: 1 }, 'v1');
  listTags(scene, 'v1', 'w1');
  const both = ruleSet({
    tagRules: [
      immutableTags('releases', '^v'),
      { ...immutableTags('others', '^w'), enforcement: 'warn' as const },
    ],
  });
  const position = { isEnabled: true, admitsFirstPushFromMs: 0 };
  const { effective } = inForceAfter(undefined, { rules: both, switch: position }, 0);
  const { watched = effective } = effective;
  t.same(await askTogether(scene, target, [watched, watched, effective]), [[], [], ['v1']]);
});

t.test("fix: a walk for what one token forbids is not shared with another's", async (t) => {
  const scene = await openScene(t);
  const target = serve(scene, { is: 1 }, 'v1');
  listTags(scene, 'v1');
  const mayNot = (levels: object): RuleSet => ({
    ...ruleSet({ tagRules: [immutableTags('others', '^x')] }),
    tokenRules: [protectedTags('token', '^v', levels)],
  });
  const [push, remove] = [mayNot({ push: 'no_access' }), mayNot({ delete: 'no_access' })];
  t.same(await askTogether(scene, target, [push, push, remove]), [[], [], ['v1']]);
});
