import { createHash } from 'node:crypto';
import t from 'tap';
import { TombstonedTagFacts } from '../../src/adapters/tombstoned-tag-facts.ts';
import { CredentialsRefused, StoreAway, type TagFacts, type TagQuestion } from '../../src/core/ports.ts';
import type { Digest, Repository, Tag } from '../../src/core/reference.ts';
import type { TagFact } from '../../src/core/verdict.ts';
import { one, present, repository, tag, two, unverified } from '../fixtures/ledgered-tag-facts.ts';

const absent: TagFact = { state: 'absent' };

/** What is buried is in a map, the upstream says what the test says, and either may fail. */
class Scene {
  readonly buried = new Map<string, Digest>();
  readonly warnings: unknown[] = [];
  readonly created: unknown[] = [];
  shows: () => Promise<TagFact> = () => Promise.resolve(absent);
  failure: Error | undefined;
  readonly facts: TagFacts;

  constructor() {
    const upstream: TagFacts = {
      lookUp: () => this.shows(),
      seen: (...told) => void this.created.push(told),
      gone: () => undefined,
    };
    const tombstones = {
      recall: (repository: Repository, tag: Tag) =>
        this.#answer(() => this.buried.get(`${repository}:${tag}`)),
      bury: (repository: Repository, tag: Tag, digest: Digest) =>
        this.#answer(() => void this.buried.set(`${repository}:${tag}`, digest)),
      replace: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    const log = { warn: (fields: unknown) => void this.warnings.push(fields) };
    this.facts = new TombstonedTagFacts(upstream, tombstones, log);
  }

  look(about: Partial<TagQuestion> = {}): Promise<TagFact> {
    const immutable = { ...unverified(0), tombstone: true };
    return this.facts.lookUp({
      ...{ repository, tag, asCaller: [], withinMs: 10_000, immutable, pushed: one },
      ...about,
    });
  }

  async #answer<Answer>(answer: () => Answer): Promise<Answer> {
    await Promise.resolve();
    if (this.failure) throw this.failure;
    return answer();
  }
}

t.test('what is seen is buried before it is told, and recalled when it is gone', async (t) => {
  const scene = new Scene();
  t.same(await scene.look(), absent, 'it never was');
  scene.shows = () => Promise.resolve(present(one.sha256, true));
  t.same(await scene.look(), present(one.sha256, true));
  t.same([...scene.buried], [['a/b:v1', one.sha256]]);
  scene.shows = () => Promise.resolve(absent);
  t.same(await scene.look(), { state: 'absent', was: one.sha256, isPushed: true });
  t.same(await scene.look({ pushed: two }), { state: 'absent', was: one.sha256, isPushed: false });
  t.same(await scene.look({ tag: 'v2' as Tag }), absent, 'another tag');
});

t.test('a manifest has a name by each algorithm', async (t) => {
  const scene = new Scene();
  const sha512 = `sha512:${createHash('sha512').update('one').digest('hex')}` as Digest;
  scene.buried.set('a/b:v1', sha512);
  t.same(await scene.look(), { state: 'absent', was: sha512, isPushed: true });
  t.same(await scene.look({ pushed: two }), { state: 'absent', was: sha512, isPushed: false });
});

t.test('without a rule that keeps the name nothing is buried, and nothing recalled', async (t) => {
  const scene = new Scene();
  scene.failure = new Error('nobody should ask');
  scene.shows = () => Promise.resolve(present(one.sha256));
  const { facts } = scene;
  const question = { repository, tag, asCaller: [], withinMs: 10_000, pushed: one };
  for (const immutable of [undefined, unverified(0)]) {
    const asked = { ...question, ...(immutable && { immutable }) };
    t.same(await facts.lookUp(asked), present(one.sha256));
    scene.shows = () => Promise.resolve(absent);
    t.same(await facts.lookUp(asked), absent);
    scene.shows = () => Promise.resolve(present(one.sha256));
  }
  t.same(scene.warnings, []);
  facts.seen(repository, [tag], one.sha256);
  t.same(scene.created, [[repository, [tag], one.sha256]]);
  t.equal(scene.buried.size, 0, 'who pushed it has buried it');
});

t.test('tombstones that are away: what is there stands, what is gone is not known', async (t) => {
  const scene = new Scene();
  const cases = [
    [new StoreAway('gone'), 0],
    [new Error('no space left on device'), 2],
  ] as const;
  for (const [failure, warnings] of cases) {
    scene.failure = failure;
    scene.shows = () => Promise.resolve(present(one.sha256));
    t.same(await scene.look(), present(one.sha256));
    scene.shows = () => Promise.resolve(absent);
    t.match(await scene.look(), { state: 'unknown', reason: /what it was before/ });
    t.equal(scene.warnings.length, warnings, 'the shared store itself says when it is away');
    const immutable = { ...unverified(0), tombstone: true };
    const question = { repository, tag, asCaller: [], withinMs: 10_000, immutable };
    t.same(await scene.facts.lookUp(question), absent, 'nothing is pushed: what it was does not matter');
  }
});

t.test('what is not known stays so, and credentials that are refused are passed on', async (t) => {
  const scene = new Scene();
  scene.buried.set('a/b:v1', one.sha256);
  scene.shows = () => Promise.resolve({ state: 'unknown', reason: 'x' });
  t.same(await scene.look(), { state: 'unknown', reason: 'x' });
  scene.shows = () => Promise.reject(new CredentialsRefused(['Basic']));
  await t.rejects(scene.look(), new CredentialsRefused(['Basic']));
});
