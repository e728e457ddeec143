import fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { digestOf } from '../fixtures/image.ts';
import { runProgram, temporaryDirectory } from '../fixtures/program.ts';
import { startRegistry, type Registry, type RegistryRelease } from '../fixtures/registry.ts';
import { repositoryPlans, type RepositoryPlan } from '../fixtures/repository-plan.ts';
import { pullFiles } from '../fixtures/skopeo.ts';
import type { StoredRepository } from '../fixtures/stored-repository.ts';
import { tellingPlans } from '../fixtures/telling-plans.ts';
import { expectServed, openScene, ruleSetCount, seed, Trial, type Kept, type Scene } from './deletes.ts';

const repositoryCount = 10;

interface Cleaned extends Kept {
  readonly repository: string;
  /** Those that nobody may delete, and that skopeo can pull. */
  readonly immutable: readonly string[];
}

/** After allowed deletes, and the registry's own garbage collection, immutable tags are whole. */
export function collectionScenario(
  t: Test,
  release: RegistryRelease,
  { untaggedChildrenStay }: { readonly untaggedChildrenStay: boolean },
): void {
  t.test(`${release.name}: immutable tags outlive deletes and garbage collection`, async (t) => {
    t.comment(`seed ${seed}`);
    const scene = await openScene(t, release);
    const cleaned = await Promise.all(samplePlans().map((plan, number) => cleanUp(scene, plan, number)));
    t.ok(cleaned.filter(({ immutable }) => immutable.length > 0).length > 1, 'some tags are immutable');
    const { directory } = scene.registry;
    await scene.registry.stop();

    const first = await collect(t, release, directory, '--delete-untagged=false');
    for (const { repository, needed, stored } of cleaned) {
      await expectServed(`${first.url}/v2/${repository}`, needed, stored);
    }
    await expectPulled(t, first, cleaned, () => true);
    await first.stop();

    // Releases before 3.0 take the children of an index, which have no tags, for untagged.
    const second = await collect(t, release, directory, '--delete-untagged');
    await expectPulled(t, second, cleaned, (kept, tag) => untaggedChildrenStay || !isIndex(kept, tag));
  });
}

/** Such as a client can pull, whole from the beginning. */
function samplePlans(): readonly RepositoryPlan[] {
  const plans = repositoryPlans(ruleSetCount, { withCaches: false });
  const isWhole = ({ removed, lost }: RepositoryPlan): boolean => removed.length + lost.length === 0;
  return [
    ...tellingPlans({ withCaches: false }).filter(isWhole),
    ...fc.sample(plans.filter(isWhole), { numRuns: repositoryCount, seed }),
  ];
}

async function cleanUp(scene: Scene, plan: RepositoryPlan, number: number): Promise<Cleaned> {
  const trial = new Trial(scene, `${plan.rules}/g${number}`, plan);
  const kept = await trial.cleanUp();
  const { repository } = trial;
  const immutable = [...kept.stored.tags.keys()].filter((tag) => trial.isImmutable(tag));
  return { ...kept, repository, immutable: immutable.filter((tag) => !isNested(kept.stored, tag)) };
}

async function collect(
  t: Test,
  release: RegistryRelease,
  directory: string,
  option: string,
): Promise<Registry> {
  const config = join(directory, 'config.yml');
  const { exitCode, output } = await runProgram(release.program(), ['garbage-collect', option, config]);
  t.equal(exitCode, 0, exitCode === 0 ? option : output);
  return startRegistry(t, release, undefined, directory);
}

async function expectPulled(
  t: Test,
  { address }: Registry,
  cleaned: readonly Cleaned[],
  isExpected: (kept: Cleaned, tag: string) => boolean,
): Promise<void> {
  for (const kept of cleaned) {
    for (const tag of kept.immutable.filter((tag) => isExpected(kept, tag))) {
      const directory = temporaryDirectory(t);
      const reference = `${address}/${kept.repository}:${tag}`;
      const { exitCode, output } = await pullFiles(reference, directory);
      t.equal(exitCode, 0, exitCode === 0 ? `${kept.repository}:${tag} is pulled` : output);
      t.strictSame(new Set(filesIn(directory)), new Set(treeOf(kept.stored, tag)), 'all of it');
    }
  }
}

/** The digests of the files of skopeo's `dir:`, by their bytes. */
function filesIn(directory: string): readonly string[] {
  return readdirSync(directory)
    .filter((name) => name !== 'version')
    .map((name) => digestOf(readFileSync(join(directory, name))));
}

function treeOf({ tags, manifests }: StoredRepository, tag: string): readonly string[] {
  const tree = new Set([tags.get(tag) ?? '']);
  for (const digest of tree) for (const part of manifests.get(digest)?.parts ?? []) tree.add(part);
  return [...tree];
}

function childrenOf({ tags, manifests }: StoredRepository, tag: string): readonly string[] {
  const parts = manifests.get(tags.get(tag) ?? '')?.parts ?? [];
  return parts.filter((part) => manifests.has(part));
}

function isIndex({ stored }: Kept, tag: string): boolean {
  return childrenOf(stored, tag).length > 0;
}

/** An index of indexes, which skopeo does not pull. */
function isNested(stored: StoredRepository, tag: string): boolean {
  const { manifests } = stored;
  return childrenOf(stored, tag).some((child) =>
    manifests.get(child)?.parts.some((part) => manifests.has(part)),
  );
}
