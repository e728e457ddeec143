import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BirthsFile } from '../../src/adapters/births-file.ts';
import { InMemoryUnlocks } from '../../src/adapters/unlocks-memory.ts';
import { parseRules } from '../../src/config/rules.ts';
import type { Births } from '../../src/core/births.ts';
import { digestsOf } from '../../src/adapters/digests.ts';
import { StoreAway } from '../../src/core/ports.ts';
import type { Repository, Tag } from '../../src/core/reference.ts';
import type { RuleSet } from '../../src/core/rule.ts';
import type { UnlockRequest } from '../../src/core/unlock.ts';
import { newTrail } from '../../src/http/trail.ts';
import {
  answered,
  bent,
  created,
  lost,
  pending,
  putDeadlineMs,
  Scene,
  wordsOf,
  type PushOptions,
} from '../fixtures/create-once.ts';

const hourMs = 3_600_000;
const repository = 'a' as Repository;
const tag = 'v1' as Tag;

function rulesOf(yaml: string): RuleSet {
  const parsed = parseRules(yaml);
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  return parsed.rules;
}

const creating = rulesOf(`tag_rules:
  - id: robots-add
    tag_name_pattern: ^v
    minimum_access_level_for_create: developer
    minimum_access_level_for_push: maintainer
`);
const aging = rulesOf(
  'tag_rules:\n  - { id: settles, tag_name_pattern: ^v, immutable: true, immutable_after: 1h }\n',
);
const immutable = rulesOf('tag_rules:\n  - { id: releases, tag_name_pattern: ^v, immutable: true }\n');
const kept = rulesOf(
  'tag_rules:\n  - { id: releases, tag_name_pattern: ^v, immutable: true, tombstone: true }\n',
);

/** A scene whose pushes may move tags. */
class Moves {
  readonly scene: Scene;
  readonly births: BirthsFile;
  readonly unlocks: InMemoryUnlocks;
  readonly path: string;
  trail = newTrail(undefined, () => 'id');

  private constructor(scene: Scene, births: BirthsFile, path: string) {
    this.scene = scene;
    this.births = births;
    this.path = path;
    this.unlocks = new InMemoryUnlocks(scene.clock);
  }

  static async open(t: Test): Promise<Moves> {
    const path = join(t.testdir(), 'births');
    const scene = await Scene.open(t);
    return new Moves(scene, await BirthsFile.open(path, scene.clock), path);
  }

  /** What a push comes to; one that succeeds leaves the tag at its body. */
  async push(body: string, rules: RuleSet, options: PushOptions & { births?: Births } = {}): Promise<string> {
    this.trail = newTrail(undefined, () => 'id');
    const { births = this.births, ...rest } = options;
    const moving = { births, unlocks: this.unlocks, trail: this.trail };
    const put = (): ReturnType<ReturnType<typeof answered>> => {
      this.scene.tags.set('v1', body);
      return Promise.resolve(created);
    };
    return wordsOf(await this.scene.push(body, put, { rules, moving, ...rest }));
  }

  unlock(lifetimeMs: number, request: Partial<UnlockRequest> = {}): ReturnType<InMemoryUnlocks['add']> {
    const actions = ['push'] as const;
    return this.unlocks.add(
      { ...{ repository, tag, actions, reason: 'CVE-2026-1', by: 'alice' }, ...request },
      lifetimeMs,
    );
  }
}

t.test('who may make a tag may not move it', async (t) => {
  const moves = await Moves.open(t);
  t.equal(await moves.push('one', creating), 'sent', 'a developer makes it');
  t.equal(await moves.push('one', creating), 'sent', 'and pushes the same again');
  t.match(
    await moves.push('two', creating),
    /^deny DENIED: tag protected; a:v1 is sha256:[0-9a-f]{12}…, and moving it needs maintainer, you have developer \(rule robots-add\)/,
  );
  t.equal(await moves.push('two', creating, { level: 'maintainer' }), 'sent', 'a maintainer moves it');
  t.equal(await moves.push('three', creating, { level: 'maintainer' }), 'sent', 'and again at once');
  t.match(
    await moves.push('two', creating, { level: 'guest' }),
    /^deny DENIED: tag protected; .* needs developer/,
  );
});

t.test('of two who make a tag at the same moment one moves nothing', async (t) => {
  const { scene, births, unlocks, trail } = await Moves.open(t);
  const moving = { births, unlocks, trail };
  const first = pending();
  const one = scene.push('one', first.put, { rules: creating, moving });
  await scene.clock.advance(0);
  const two = scene.push('two', answered(201), { rules: creating, moving });
  await scene.clock.advance(500);
  scene.tags.set('v1', 'one');
  first.end(created);
  t.equal(wordsOf(await one), 'sent');
  await scene.clock.advance(1_000);
  t.match(wordsOf(await two), /^deny DENIED: tag protected/);
  t.equal(scene.puts, 1);
});

t.test('what was confirmed counts, though the upstream does not show it yet', async (t) => {
  const { scene, births, unlocks, trail } = await Moves.open(t);
  const moving = { births, unlocks, trail };
  const first = await scene.push('one', () => Promise.resolve(created), { rules: creating, moving });
  t.equal(wordsOf(first), 'sent', 'and the upstream still says that it is absent');
  const second = scene.push('two', answered(201), { rules: creating, moving });
  await scene.clock.advance(3_000);
  t.equal(scene.puts, 1);
  scene.tags.set('v1', 'one');
  await scene.clock.advance(1_000);
  t.match(wordsOf(await second), /^deny DENIED: tag protected/);
});

t.test('a maintainer whose push may still arrive keeps everybody else waiting', async (t) => {
  const { scene, births, unlocks, trail } = await Moves.open(t);
  const moving = { births, unlocks, trail };
  scene.tags.set('v1', 'zero');
  await scene.push('one', () => Promise.resolve(lost), { rules: creating, moving, level: 'maintainer' });
  const two = scene.push('two', answered(201), { rules: creating, moving, level: 'maintainer' });
  await scene.clock.advance(6_000);
  t.match(wordsOf(await two), /^undecided TOOMANYREQUESTS/);
  t.equal(scene.puts, 1);
});

t.test('immutable_after: the hour begins with the first push, and never anew', async (t) => {
  const moves = await Moves.open(t);
  const { scene, births } = moves;
  t.equal(await moves.push('one', aging), 'sent', 'the first push');
  const bornMs = await births.recall(repository, tag);
  t.equal(bornMs, scene.clock.nowMs());
  await scene.clock.advance(30 * 60_000);
  t.equal(await moves.push('two', aging), 'sent', 'half an hour later it is replaced');
  t.equal(await births.recall(repository, tag), bornMs, 'and is as old as it was');
  scene.tags.delete('v1');
  await scene.clock.advance(10 * 60_000);
  t.equal(await moves.push('three', aging), 'sent', 'deleted, and pushed again');
  // The last moment at which a push would have ended before the hour is over.
  await scene.clock.advance(20 * 60_000 - putDeadlineMs);
  t.equal(await moves.push('four', aging), 'sent');
  await scene.clock.advance(1);
  t.match(await moves.push('five', aging), /^deny DENIED: tag is immutable; a:v1 .* \(rule settles\)/);
  t.equal(await moves.push('four', aging), 'sent', 'the same manifest always');
  scene.tags.delete('v1');
  await scene.clock.advance(200_000);
  t.equal(await moves.push('six', aging), 'sent', 'a tag that is gone may be made');
  t.match(await moves.push('seven', aging), /^deny DENIED: tag is immutable/, 'and is old at once');
  const again = await BirthsFile.open(moves.path, scene.clock);
  t.equal(await again.recall(repository, tag), bornMs, 'a restart knows');
  await again.close();
});

t.test('immutable_after: a tag whose first push nobody noted is immutable', async (t) => {
  const moves = await Moves.open(t);
  moves.scene.tags.set('v1', 'from before the rule');
  t.match(await moves.push('one', aging), /^deny DENIED: tag is immutable/);
  t.equal(await moves.births.recall(repository, tag), undefined);
});

t.test('immutable_after: a first push that cannot be noted makes a tag that is old', async (t) => {
  const moves = await Moves.open(t);
  const refusing = (): Promise<never> => Promise.reject(new StoreAway('away'));
  const births: Births = { recall: refusing, note: refusing, close: () => Promise.resolve() };
  t.equal(await moves.push('one', aging, { births }), 'sent');
  t.match(await moves.push('two', aging, { births }), /^deny DENIED/, 'an age that nobody can say is old');
  t.match(await moves.push('two', aging), /^deny DENIED/, 'nor was it noted');
});

t.test('fix: a push that the upstream refused makes no old tag young', async (t) => {
  const moves = await Moves.open(t);
  const { scene, births, unlocks } = moves;
  const moving = { births, unlocks, trail: moves.trail };
  // To whom may not see it the registry says that it is not there.
  for (const status of [401, 403, 500])
    await scene.push('stranger', answered(status), { rules: aging, moving, target: '/v2/a/manifests/v1' });
  t.equal(await births.recall(repository, tag), undefined);
  await scene.clock.advance(200_000);
  scene.tags.set('v1', 'from before');
  t.match(await moves.push('two', aging), /^deny DENIED/);
});

t.test('fix: a tag from the future is old', async (t) => {
  const moves = await Moves.open(t);
  t.equal(await moves.push('one', aging), 'sent');
  const bornMs = moves.scene.clock.nowMs();
  const births: Births = {
    recall: () => Promise.resolve(bornMs + hourMs),
    note: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  t.match(await moves.push('two', aging, { births }), /^deny DENIED: tag is immutable/);
});

t.test('fix: a name that is kept is not free to an unlock that ends too soon', async (t) => {
  const moves = await Moves.open(t);
  moves.scene.was = digestsOf(Buffer.from('one')).sha256;
  t.match(await moves.push('two', kept), /^deny DENIED: .* was sha256:.* and is gone/);
  const { id } = await moves.unlock(putDeadlineMs - 1);
  t.match(await moves.push('two', kept), /^deny DENIED: .* was sha256:.* and is gone/);
  await moves.unlocks.end(id);
  await moves.unlock(hourMs);
  t.equal(await moves.push('two', kept), 'sent');
});

t.test('fix: by ?tag= nothing moves, for a registry may ignore that and say yes', async (t) => {
  const moves = await Moves.open(t);
  moves.scene.tags.set('v1', 'one');
  await moves.unlock(hourMs);
  const target = `/v2/a/manifests/sha256:${'a'.repeat(64)}?tag=v1`;
  t.match(await moves.push('two', immutable, { target }), /^deny DENIED: .*by its name/);
  t.same(moves.scene.createdTags, []);
});

t.test('an unlock admits a push until it ends, and not one millisecond longer', async (t) => {
  const moves = await Moves.open(t);
  const { scene } = moves;
  scene.tags.set('v1', 'one');
  t.match(await moves.push('two', immutable), /^deny DENIED: tag is immutable/);
  const unlock = await moves.unlock(hourMs);
  t.equal(await moves.push('two', immutable), 'sent');
  t.match(moves.trail.unlocks[0], { id: unlock.id, reason: 'CVE-2026-1', by: 'alice' });
  t.ok(moves.trail.before, 'what it was is told');
  t.equal(await moves.push('two', immutable), 'sent');
  t.same(moves.trail.unlocks, [], 'the same manifest needs no exception');
  await scene.clock.advance(hourMs - putDeadlineMs);
  t.equal(await moves.push('three', immutable), 'sent', 'it ends when the unlock does');
  await scene.clock.advance(1);
  t.match(await moves.push('four', immutable), /^deny DENIED: tag is immutable/);
  await scene.clock.advance(putDeadlineMs - 1);
  t.same(await moves.unlocks.all(), []);
  t.match(await moves.push('four', immutable), /^deny DENIED: tag is immutable/);
});

const others: [what: string, request: Partial<UnlockRequest>][] = [
  ['another tag', { tag: 'v2' as Tag }],
  ['another repository', { repository: 'b' as Repository }],
  ['another action', { actions: ['delete'] }],
  ['another caller', { subject: 'bob' }],
];
for (const [what, request] of others) {
  t.test(`an unlock of ${what} admits nothing`, async (t) => {
    const moves = await Moves.open(t);
    moves.scene.tags.set('v1', 'one');
    await moves.unlock(hourMs, request);
    t.match(await moves.push('two', immutable, { subject: 'carol' }), /^deny DENIED: tag is immutable/);
    t.equal(moves.scene.puts, 0);
  });
}

t.test('an unlock for a caller, and one that is ended early', async (t) => {
  const moves = await Moves.open(t);
  moves.scene.tags.set('v1', 'one');
  const { id } = await moves.unlock(hourMs, { subject: 'bob' });
  t.equal(await moves.push('two', immutable, { subject: 'bob' }), 'sent');
  t.equal(await moves.unlocks.end(id), true);
  t.equal(await moves.unlocks.end(id), false);
  t.match(await moves.push('three', immutable, { subject: 'bob' }), /^deny DENIED: tag is immutable/);
});

t.test('a push that slept past the end of its unlock is not sent', async (t) => {
  const moves = await Moves.open(t);
  const { scene } = moves;
  scene.tags.set('v1', 'one');
  await moves.unlock(putDeadlineMs + 1_000);
  const { claims } = scene;
  scene.claims = bent(claims, {
    arm: async (claim) => {
      const arming = await claims.arm(claim);
      scene.clock.jump(1_001);
      return arming;
    },
  });
  t.match(await moves.push('two', immutable), /^deny DENIED: tag is immutable/);
  t.equal(scene.puts, 0);
});

t.test('what was kept of an unlocked tag is what it is now', async (t) => {
  const moves = await Moves.open(t);
  moves.scene.tags.set('v1', 'one');
  await moves.unlock(hourMs);
  t.equal(await moves.push('two', kept), 'sent');
  t.match(moves.scene.replaced, [/^a:v1 sha256:/], 'its tombstone');
  t.same(moves.scene.createdTags, ['v1'], 'the ledger');
});

t.test('an unlock does not lift levels', async (t) => {
  const both = rulesOf(`tag_rules:
  - { id: releases, tag_name_pattern: ^v, immutable: true }
  - { id: owners, tag_name_pattern: ^v, minimum_access_level_for_push: owner }
`);
  const moves = await Moves.open(t);
  moves.scene.tags.set('v1', 'one');
  await moves.unlock(hourMs);
  t.match(await moves.push('two', both), /^deny DENIED: tag protected; .* needs owner/);
});

t.test('several tags at once are not moved', async (t) => {
  const moves = await Moves.open(t);
  const target = `/v2/a/manifests/sha256:${'a'.repeat(64)}?tag=v1&tag=v2`;
  t.match(await moves.push('one', aging, { target }), /^deny DENIED: .*push it alone/);
});
