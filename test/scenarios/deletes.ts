import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Test } from 'tap';
import { on, startIssuer, tokenConfig, type TestIssuer } from '../fixtures/issuer.ts';
import { needsByTag, type NeedsOfTag } from '../fixtures/need-oracle.ts';
import { pushPlanned } from '../fixtures/planned-repository.ts';
import { startRegistry, type Registry, type RegistryRelease } from '../fixtures/registry.ts';
import {
  plannedRuleSets,
  repositoryPlans,
  rulesFileOf,
  type PlannedRule,
  type RepositoryPlan,
} from '../fixtures/repository-plan.ts';
import { digestOf } from '../fixtures/image.ts';
import { readStored, type StoredRepository } from '../fixtures/stored-repository.ts';
import { startTagwarden } from '../fixtures/tagwarden.ts';
import { tellingPlans, tellingRules } from '../fixtures/telling-plans.ts';

export const ruleSetCount = 60;
/** So many repositories at the same time. */
const atOnce = 4;
/** So many digests of one repository at the same time, of those that may be deleted. */
const deletesAtOnce = 3;
/** To make a counterexample small takes long. */
const timeoutMs = 15 * 60_000;
const limits = { interruptAfterTimeLimit: timeoutMs - 60_000, markInterruptAsFailure: true };
const manifestTypes = ['image.index.v1', 'image.manifest.v1']
  .map((type) => `application/vnd.oci.${type}+json`)
  .concat(['list.v2', 'v2'].map((type) => `application/vnd.docker.distribution.manifest.${type}+json`));
/** The same seed makes the same repositories. */
export const seed = Number(process.env.DELETES_SEED ?? Date.now() % 1_000_000_000);

/** Every digest of generated repositories is deleted through Tagwarden, as far as it lets that happen. */
export function deleteScenarios(
  t: Test,
  release: RegistryRelease,
  { repositories, withCaches }: { readonly repositories: number; readonly withCaches: boolean },
): void {
  t.test(`${release.name}: a digest can be deleted if and only if no protected tag needs it`, async (t) => {
    t.setTimeout(timeoutMs);
    const scene = await openScene(t, release);
    t.comment(`seed ${seed}`);
    const count = { repositories: 0, refused: 0, allowed: 0 };
    const plan = repositoryPlans(ruleSetCount, { withCaches });
    const property = fc.asyncProperty(
      fc.array(plan, { minLength: atOnce, maxLength: atOnce }),
      async (plans) => {
        const trials = plans.map((plan) => new Trial(scene, `${plan.rules}/r${++count.repositories}`, plan));
        for (const { refused, allowed } of await Promise.all(trials.map((trial) => trial.run()))) {
          count.refused += refused;
          count.allowed += allowed;
        }
      },
    );
    const examples: [RepositoryPlan[]][] = [[[...tellingPlans({ withCaches })]]];
    await fc.assert(property, { numRuns: repositories / atOnce, seed, examples, ...limits });
    t.comment(JSON.stringify(count));
    t.ok(count.refused > repositories && count.allowed > repositories, 'both happened often');
  });
}

export interface Scene {
  readonly registry: Registry;
  /** Of Tagwarden. */
  readonly url: string;
  readonly issuer: TestIssuer;
  readonly ruleSets: readonly (readonly PlannedRule[])[];
}

export async function openScene(t: Test, release: RegistryRelease): Promise<Scene> {
  const registry = await startRegistry(t, release);
  const issuer = await startIssuer(t);
  const sampled = fc.sample(plannedRuleSets, { numRuns: ruleSetCount - tellingRules.length, seed });
  const ruleSets = [...tellingRules, ...sampled];
  const { url } = await startTagwarden(t, {
    upstream: registry.url,
    rules: rulesFileOf(ruleSets),
    config: tokenConfig(issuer),
  });
  return { registry, url, issuer, ruleSets };
}

type User = 'dev' | 'boss';
type Route = 'manifests' | 'blobs';

/** All that can be deleted from one repository, by a developer and by a maintainer. */
export class Trial {
  readonly repository: string;
  readonly #scene: Scene;
  readonly #plan: RepositoryPlan;
  readonly #rules: readonly PlannedRule[];
  readonly #authorization: Record<User, string>;
  #refused = 0;
  #allowed = 0;

  constructor(scene: Scene, repository: string, plan: RepositoryPlan) {
    this.#scene = scene;
    this.repository = repository;
    this.#plan = plan;
    this.#rules = scene.ruleSets[plan.rules] ?? [];
    const tokenOf = (sub: User): string =>
      `Bearer ${scene.issuer.sign({ access: [on(repository, 'delete')], claims: { sub } })}`;
    this.#authorization = { dev: tokenOf('dev'), boss: tokenOf('boss') };
  }

  /** @throws AssertionError */
  async run(): Promise<{ readonly refused: number; readonly allowed: number }> {
    await pushPlanned(this.#scene.registry, this.repository, this.#plan);
    await this.#expectRefusals('dev');
    await this.#deleteAllowed('dev');
    const { needed, stored } = await this.#deleteAllowed('boss');
    await expectServed(`${this.#scene.registry.url}/v2/${this.repository}`, needed, stored);
    await this.#expectRefusals('boss');
    return { refused: this.#refused, allowed: this.#allowed };
  }

  /** As a job does that cleans up: pushes, and deletes some or all of what a developer may. */
  async cleanUp(): Promise<Kept> {
    await pushPlanned(this.#scene.registry, this.repository, this.#plan);
    return this.#deleteAllowed('dev', ((this.#plan.order % 3) + 1) / 3);
  }

  /** Deletes whatever this user may delete; nothing that is needed goes with it. */
  async #deleteAllowed(user: User, share = 1): Promise<Kept> {
    const before = this.#look(user);
    const needed = [...before.surely].filter((digest) => isHeld(before.stored, digest));
    const all = this.#shuffled(before.free);
    const chosen = all.slice(0, Math.ceil(all.length * share));
    let { stored, free } = before;
    for (let from = 0; from < chosen.length; from += deletesAtOnce) {
      const batch = chosen.slice(from, from + deletesAtOnce);
      const needing = batch.filter((digest) => isHeld(stored, digest) && !free.includes(digest));
      assert.deepEqual(needing, [], 'have become needed');
      await Promise.all(batch.map((digest) => this.#expectDeleted(user, digest, stored)));
      ({ stored, free } = this.#look(user));
      const gone = needed.filter((digest) => !isHeld(stored, digest));
      assert.deepEqual(gone, [], `what was needed went with ${batch.join()}`);
      const left = batch.filter((digest) => isHeld(stored, digest));
      assert.deepEqual(left, [], 'are still there');
    }
    return { needed, stored: before.stored };
  }

  async #expectDeleted(user: User, digest: string, stored: StoredRepository): Promise<void> {
    for (const route of this.#routesTo(digest, stored)) {
      const { status, said } = await this.#delete(user, route, digest);
      assert([202, 404, 405].includes(status), `${user} may delete ${route}/${digest}, but: ${said}`);
    }
    this.#allowed += 1;
  }

  /** Whether nobody may delete what it points to, for its own sake. */
  isImmutable(tag: string): boolean {
    const { needs } = this.#look('boss');
    return needs.some((of) => of.tag === tag && this.#rules[of.rule]?.keeps === 'immutable');
  }

  async #expectRefusals(user: User): Promise<void> {
    const { surely, stored, needs } = this.#look(user);
    const held = [...surely].filter((digest) => isHeld(stored, digest));
    const asked = held.flatMap((digest) => [['manifests', digest] as const, ['blobs', digest] as const]);
    await Promise.all(
      asked.map(async ([route, digest]) => {
        const { status, said } = await this.#delete(user, route, digest);
        // The registry has it under the other route alone, and nothing happens.
        if (route === 'blobs' && !stored.blobs.has(digest) && status === 404) return;
        assert.equal(status, 403, `${user} may not delete ${route}/${digest}, but: ${said}`);
        this.#expectReason(said, digest, needs);
        this.#refused += 1;
      }),
    );
    const after = readStored(this.#scene.registry.directory, this.repository);
    assert.deepEqual(after, stored, 'what was refused changed nothing');
  }

  /** It names a tag that needs it, and the rule. */
  #expectReason(said: string, digest: string, needs: readonly NeedsOfTag[]): void {
    const [, tag = '', rule = ''] = /DENIED.* tag \S+:(\S+) \(rule r\d+\.(\d+)\)/.exec(said) ?? [];
    const named = needs.filter((of) => of.tag === tag && of.rule === Number(rule));
    assert(
      named.some(({ perhaps }) => perhaps.has(digest)),
      `not the reason why ${digest} is needed: ${said}`,
    );
  }

  #look(user: User): Look {
    const stored = readStored(this.#scene.registry.directory, this.repository);
    const needs = needsByTag(stored, this.#rules, user === 'boss');
    const surely = new Set(needs.flatMap((of) => [...of.surely]));
    const perhaps = new Set(needs.flatMap((of) => [...of.perhaps]));
    const all = [...stored.manifests.keys(), ...stored.blobs];
    return { stored, needs, surely, free: all.filter((digest) => !perhaps.has(digest)) };
  }

  async #delete(user: User, route: Route, digest: string): Promise<{ status: number; said: string }> {
    const url = `${this.#scene.url}/v2/${this.repository}/${route}/${digest}`;
    const headers = { authorization: this.#authorization[user] };
    const response = await fetch(url, { method: 'DELETE', headers });
    return { status: response.status, said: `${response.status} ${await response.text()}` };
  }

  #shuffled(digests: readonly string[]): readonly string[] {
    const weight = (digest: string): string => digestOf(Buffer.from(`${this.#plan.order} ${digest}`));
    return [...digests].sort((one, other) => weight(one).localeCompare(weight(other)));
  }

  /** What is no blob to a registry cannot be deleted as one, which is tried first; release 2.8 takes layers by either route. */
  #routesTo(digest: string, { manifests }: StoredRepository): readonly Route[] {
    const isOdd = digestOf(Buffer.from(`${digest} ${this.#plan.order}`)).endsWith('7');
    if (manifests.has(digest)) return isOdd ? ['blobs', 'manifests'] : ['manifests'];
    return isOdd ? ['manifests', 'blobs'] : ['blobs'];
  }
}

/** What was needed before the deletes, and must be there after them. */
export interface Kept {
  readonly needed: readonly string[];
  readonly stored: StoredRepository;
}

interface Look {
  readonly stored: StoredRepository;
  readonly needs: readonly NeedsOfTag[];
  readonly surely: ReadonlySet<string>;
  /** What may be deleted. */
  readonly free: readonly string[];
}

function isHeld({ manifests, blobs }: StoredRepository, digest: string): boolean {
  return manifests.has(digest) || blobs.has(digest);
}

/** @throws AssertionError where something is not served, or not with its own bytes */
export async function expectServed(
  repositoryUrl: string,
  digests: readonly string[],
  { manifests }: StoredRepository,
): Promise<void> {
  await Promise.all(
    digests.map(async (digest) => {
      const url = `${repositoryUrl}/${manifests.has(digest) ? 'manifests' : 'blobs'}/${digest}`;
      const response = await fetch(url, { headers: { accept: manifestTypes.join(', ') } });
      assert.equal(response.status, 200, `${url} is served`);
      assert.equal(digestOf(Buffer.from(await response.arrayBuffer())), digest);
    }),
  );
}
