import { startRegistry, startTagwarden, withEnds } from './doors.mjs';
import { blobOf, config, expectStatus, manifestOf, putManifest } from './images.mjs';
import { residentMiB } from './process-usage.mjs';
import { median } from './rounds.mjs';
import { number, printTable } from './table.mjs';

const repository = 'bench/app';
const tagCount = 10_000;
const immutableCount = 2_000;
const layersEach = 8;
const atOnce = 32;
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';
const laterChecks = 20;
const deletesAtOnce = 20;

/**
 * A delete by digest in a repository of 10,000 tags, 2,000 of them immutable: the first check, for which every immutable
 * tag is looked up and read, and those after it.
 */
export function benchDeletes({ rules }) {
  return withEnds(async (directory, onEnd) => {
    const registry = await startRegistry(directory, onEnd);
    console.error(`Pushing ${tagCount} tags …`);
    const contents = await fill(registry.url);
    const door = await startTagwarden(directory, onEnd, registry.url, { rules });
    return measure(registry.url, door, contents);
  });
}

async function measure(registryUrl, door, { needed, unneeded }) {
  const [pid] = door.pids();
  const restingMiB = residentMiB(pid);
  const list = await timed(() => readWhole(`${registryUrl}/v2/${repository}/tags/list`));
  const refused = () => expectStatus(403, remove(door.url, needed));
  const first = await timed(refused);
  const second = await timed(refused);
  const later = [];
  for (let check = 0; check < laterChecks; check++) later.push(await timed(refused));
  const direct = await timed(() => expectStatus(202, remove(registryUrl, unneeded.at(-1))));
  const allowed = await timed(() => expectStatus(202, remove(door.url, unneeded[0])));
  const many = await timed(() =>
    Promise.all(
      unneeded.slice(1, deletesAtOnce + 1).map((digest) => expectStatus(202, remove(door.url, digest))),
    ),
  );
  const times = [
    ['the registry lists the tags', list],
    ['first check (refused)', first],
    ['second check', second],
    [`later checks, median of ${laterChecks}`, median(later)],
    ['a delete at the registry itself', direct],
    ['a delete that is allowed', allowed],
    [`${deletesAtOnce} of them at once, in all`, many],
  ];
  const work = `delete by digest: ${tagCount} tags, ${immutableCount} immutable, ${layersEach} layers each`;
  printTable(
    [work, 'ms'],
    times.map(([what, ms]) => [what, number(ms, 1)]),
  );
  const grownMiB = residentMiB(pid) - restingMiB;
  console.log(`\nmemory: ${number(grownMiB, 0)} MiB more than before (of ${number(restingMiB, 0)} MiB)`);
  return [{ work, milliseconds: Object.fromEntries(times), grownMiB }];
}

async function readWhole(url) {
  return (await fetch(url)).text();
}

/** The images of immutable tags share some layers; every other tag points to one of a hundred images. */
async function fill(url) {
  const blobs = Array.from({ length: 2 * layersEach }, (_, at) => blobOf(`bench layer ${at}`, layerType));
  for (const blob of [config, ...blobs]) await pushBlob(url, blob);
  const imageOf = (name, from) =>
    manifestOf(
      name,
      config,
      Array.from({ length: layersEach }, (_, at) => blobs[(from + at) % blobs.length]),
    );
  const others = Array.from({ length: 200 }, (_, index) => imageOf(`other ${index}`, index));
  const pushes = Array.from({ length: tagCount }, (_, index) =>
    index < immutableCount
      ? { tag: `v${index}`, image: imageOf(`release ${index}`, index) }
      : { tag: `build-${index}`, image: others[index % others.length] },
  );
  await eachOf(pushes, ({ tag, image }) => putManifest(url, repository, tag, image));
  return { needed: pushes[0].image.digest, unneeded: others.map(({ digest }) => digest) };
}

async function eachOf(items, visit) {
  const left = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of left) await visit(item);
    }),
  );
}

async function pushBlob(url, { descriptor, bytes }) {
  const started = await expectStatus(
    202,
    fetch(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' }),
  );
  const session = new URL(started.headers.get('location'), url);
  session.searchParams.set('digest', descriptor.digest);
  await expectStatus(201, fetch(session, { method: 'PUT', body: bytes }));
}

function remove(url, digest) {
  return fetch(`${url}/v2/${repository}/manifests/${digest}`, { method: 'DELETE' });
}

async function timed(act) {
  const startedMs = performance.now();
  await act();
  return performance.now() - startedMs;
}
