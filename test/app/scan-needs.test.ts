import fc from 'fast-check';
import t from 'tap';
import { needsByTag } from '../fixtures/need-oracle.ts';
import { pushPlanned } from '../fixtures/planned-repository.ts';
import { startRegistry } from '../fixtures/registry.ts';
import { plannedRuleSets, repositoryPlans, rulesFileOf } from '../fixtures/repository-plan.ts';
import { readRepository, readScan, runScan } from '../fixtures/scan.ts';
import { readStored, type StoredRepository } from '../fixtures/stored-repository.ts';

const ruleSetCount = 12;
const atOnce = 4;
const repositories = Number(process.env.N ?? 24);
const seed = Number(process.env.SCAN_SEED ?? Date.now() % 1_000_000_000);

t.test('what no guarded tag needs, and nothing else, is unprotected', async (t) => {
  t.comment(`seed ${seed}`);
  const registry = await startRegistry(t);
  const ruleSets = fc.sample(plannedRuleSets, { numRuns: ruleSetCount, seed });
  const plans = fc
    .sample(repositoryPlans(ruleSetCount, { withCaches: true }), { numRuns: repositories, seed })
    .map((plan, index) => ({ ...plan, name: `${plan.rules}/r${index}` }));
  for (let at = 0; at < plans.length; at += atOnce) {
    await Promise.all(plans.slice(at, at + atOnce).map((plan) => pushPlanned(registry, plan.name, plan)));
  }

  const rules = rulesFileOf(ruleSets);
  const { exitCode, out } = await runScan(t, { upstream: registry.url, rules, args: ['--json'] });
  t.equal(exitCode, 0);
  const scan = readScan(out);
  const count = { unprotected: 0, needed: 0 };
  for (const { name, rules } of plans) {
    const stored = readStored(registry.directory, name);
    const { tags, unprotected } = readRepository(scan, name);
    t.same(tags.map(({ tag }) => tag).sort(), [...stored.tags.keys()].sort(), `the tags of ${name}`);
    const needs = needsByTag(stored, ruleSets[rules] ?? [], false);
    const surely = new Set(needs.flatMap((of) => [...of.surely]));
    const perhaps = new Set(needs.flatMap((of) => [...of.perhaps]));
    const manifests = unprotected?.manifests.map(({ digest }) => digest) ?? [];
    const blobs = unprotected?.blobs.map(({ digest }) => digest) ?? [];
    t.ok(
      manifests.every((digest) => stored.manifests.has(digest)),
      'manifests are',
    );
    t.notOk(
      blobs.some((digest) => stored.manifests.has(digest)),
      'blobs are none',
    );
    for (const digest of reachedIn(stored)) {
      const isListed = manifests.includes(digest) || blobs.includes(digest);
      if (isListed) count.unprotected += 1;
      else count.needed += 1;
      if (surely.has(digest) && isListed) t.fail(`${name}: ${digest} is needed, and listed as unprotected`);
      if (!perhaps.has(digest) && !isListed) t.fail(`${name}: ${digest} is unprotected, and not listed`);
    }
  }
  t.comment(JSON.stringify(count));
  t.ok(count.unprotected > 10 && count.needed > 10, 'both happened often');
});

/** What tags lead to, and is there. */
function reachedIn({ tags, manifests, blobs }: StoredRepository): readonly string[] {
  const reached = new Set([...tags.values()].filter((digest) => manifests.has(digest)));
  // A set is visited in the order of insertion, with what is added meanwhile.
  for (const digest of reached) {
    for (const part of manifests.get(digest)?.parts ?? []) reached.add(part);
  }
  return [...reached].filter((digest) => manifests.has(digest) || blobs.has(digest));
}
