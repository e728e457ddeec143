import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Content, Image } from '../../config/oci-image.mjs';
import { buildIndex, imageOf, pushParts, putManifest } from '../fixtures/image.ts';
import { startRedis } from '../fixtures/redis.ts';
import { startRegistry, type Registry } from '../fixtures/registry.ts';
import { startTagwarden } from '../fixtures/tagwarden.ts';

const rules = `tag_rules:
  - { id: releases, tag_name_pattern: ^v, immutable: true }
  - { id: kept, tag_name_pattern: ^kept-, minimum_access_level_for_delete: owner }
`;
const repository = 'team/app';
const rounds = 36;

interface Race {
  readonly registry: Registry;
  /** The registry itself. */
  readonly direct: string;
  readonly pusher: string;
  readonly deleter: string;
}

async function startRace(t: Test): Promise<Race> {
  const registry = await startRegistry(t);
  const redis = await startRedis(t);
  // Of the same file both may be the writer.
  const config = `redis: { url: '${redis.url}' }\nrules: { publish: true }`;
  const replica = () => startTagwarden(t, { upstream: registry.url, rules, config });
  const [pusher, deleter] = [await replica(), await replica()];
  return { registry, direct: registry.url, pusher: pusher.url, deleter: deleter.url };
}

/** What a push needs, and a part of it that is deleted at the same time. */
interface Contest {
  readonly pushed: Image;
  readonly tag: string;
  readonly target: string;
}

const contests: Readonly<Record<string, (round: number) => Contest>> = {
  'a layer of an image': (round) => {
    const pushed = imageOf(`image ${round}`);
    return { pushed, tag: `v${round}`, target: `blobs/${lastOf(pushed.blobs).descriptor.digest}` };
  },
  'a child of an index': (round) => {
    const child = imageOf(`child ${round}`);
    return { pushed: buildIndex([child]), tag: `v${round}`, target: `manifests/${child.descriptor.digest}` };
  },
  'a layer of a child of an index': (round) => {
    const child = imageOf(`grandchild ${round}`);
    const layer = lastOf(child.blobs);
    return { pushed: buildIndex([child]), tag: `v${round}`, target: `blobs/${layer.descriptor.digest}` };
  },
  'a manifest that a tag is made of that only few may delete': (round) => {
    const pushed = imageOf(`kept ${round}`);
    return { pushed, tag: `kept-${round}`, target: `manifests/${pushed.descriptor.digest}` };
  },
};

function lastOf(blobs: readonly Content[]): Content {
  const last = blobs.at(-1);
  if (!last) throw new Error('there is no blob');
  return last;
}

for (const [what, contestOf] of Object.entries(contests)) {
  t.test(`a delete of ${what} and its push, through two replicas: never both`, async (t) => {
    const race = await startRace(t);
    const told = { pushed: 0, deleted: 0, neither: 0 };
    for (let round = 0; round < rounds; round++) {
      const { pushed, tag, target } = contestOf(round);
      await pushParts(race.direct, repository, pushed);
      // What is deleted by its own digest is there before it gets its tag.
      if (target.endsWith(pushed.descriptor.digest)) {
        await putManifest(race.direct, repository, pushed.descriptor.digest, pushed);
      }
      // Both lead by turns.
      const leadMs = (round % 12) - 4;
      const [push, deletion] = await Promise.all([
        after(-leadMs, () => putManifest(race.pusher, repository, tag, pushed)),
        after(leadMs, () => fetch(`${race.deleter}/v2/${repository}/${target}`, { method: 'DELETE' })),
      ]);
      // An index may be pushed whose child has lost a layer before: the registry takes it, and nothing was protected.
      const wasFirst = push.ok && deletion.ok && (await wasDeletedFirst(race.registry, tag, target));
      if (push.ok && deletion.ok) t.ok(wasFirst, `round ${round}: nothing is deleted that a tag needs`);
      else if (push.ok)
        t.ok(await isWhole(race.direct, tag, pushed), `round ${round}: what was pushed is whole`);
      if (!push.ok) t.ok([400, 404, 429, 503].includes(push.status), `round ${round}: ${push.status}`);
      if (!deletion.ok)
        t.ok([403, 404, 429, 503].includes(deletion.status), `round ${round}: ${deletion.status}`);
      told[deletion.ok ? 'deleted' : push.ok ? 'pushed' : 'neither'] += 1;
    }
    t.comment(JSON.stringify(told));
    t.ok(told.pushed > 0 && told.deleted > 0, 'each wins sometimes');
  });
}

async function wasDeletedFirst(registry: Registry, tag: string, target: string): Promise<boolean> {
  const requests = await registry.requests();
  const at = (request: string): number => requests.findIndex((line) => line.startsWith(request));
  const deletedAt = at(`DELETE /v2/${repository}/${target} 202`);
  return deletedAt >= 0 && deletedAt < at(`PUT /v2/${repository}/manifests/${tag} 201`);
}

async function after<Result>(delayMs: number, act: () => Promise<Result>): Promise<Result> {
  if (delayMs > 0) await sleep(delayMs);
  return act();
}

/** Whether the registry serves a tag and all that it needs. */
async function isWhole(direct: string, tag: string, image: Image): Promise<boolean> {
  const served = await Promise.all([
    isServed(`${direct}/v2/${repository}/manifests/${tag}`),
    ...partsOf(image).map((part) => isServed(`${direct}/v2/${repository}/${part}`)),
  ]);
  return served.every(Boolean);
}

function partsOf({ blobs, manifests }: Image): readonly string[] {
  return [
    ...blobs.map(({ descriptor }) => `blobs/${descriptor.digest}`),
    ...manifests.flatMap((child) => [`manifests/${child.descriptor.digest}`, ...partsOf(child)]),
  ];
}

async function isServed(url: string): Promise<boolean> {
  const accept = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';
  return (await fetch(url, { method: 'HEAD', headers: { accept } })).ok;
}
