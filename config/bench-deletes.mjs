import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { startDistribution } from './local-registry.mjs';
import { buildImage, digestOf } from './oci-image.mjs';
import { findProgram } from './programs.mjs';
import { root } from './project.mjs';

const repository = 'bench/app';
const tagCount = 10_000;
const immutableCount = 2_000;
const layersEach = 8;
const atOnce = 32;
const laterChecks = 20;
const deletesAtOnce = 20;
const rules = `tag_rules:
  - { id: releases, tag_name_pattern: ^v, immutable: true }
`;

/**
 * A delete by digest in a repository of 10,000 tags, 2,000 of them immutable: the first check, for which every immutable
 * tag is looked up and read, and those after it.
 */
export async function benchDeletes() {
  const directory = mkdtempSync(join(tmpdir(), 'tagwarden-bench-'));
  const ends = [() => rmSync(directory, { recursive: true })];
  try {
    const registry = await startDistribution(findProgram('docker-registry'), join(directory, 'registry'));
    ends.push(registry.stop);
    console.error(`Pushing ${tagCount} tags …`);
    const contents = await fill(registry.url);
    const door = await startTagwarden(directory, registry.url);
    ends.push(door.stop);
    await measure(registry.url, door, contents);
  } finally {
    for (const end of ends.reverse()) end();
  }
}

async function measure(registryUrl, door, { needed, unneeded }) {
  const restingMiB = door.residentMiB();
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
  printTable([
    [`delete by digest: ${tagCount} tags, ${immutableCount} immutable, ${layersEach} layers each`, 'ms'],
    ['the registry lists the tags', list],
    ['first check (refused)', first],
    ['second check', second],
    [`later checks, median of ${laterChecks}`, median(later)],
    ['a delete at the registry itself', direct],
    ['a delete that is allowed', allowed],
    [`${deletesAtOnce} of them at once, in all`, many],
  ]);
  console.log(`\nmemory: ${door.residentMiB() - restingMiB} MiB more than before (of ${restingMiB} MiB)`);
}

async function readWhole(url) {
  return (await fetch(url)).text();
}

/** The images of immutable tags share some layers; every other tag points to one of a hundred images. */
async function fill(url) {
  const blobs = Array.from(
    { length: 2 * layersEach },
    (_, index) => buildImage({ layer: String(index) }).blobs[1],
  );
  const {
    blobs: [config],
  } = buildImage({ layer: 'config' });
  for (const blob of [config, ...blobs]) await pushBlob(url, blob);
  const imageOf = (name, from) => {
    const layers = Array.from(
      { length: layersEach },
      (_, index) => blobs[(from + index) % blobs.length].descriptor,
    );
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const manifest = {
      schemaVersion: 2,
      mediaType,
      config: config.descriptor,
      layers,
      annotations: { name },
    };
    const bytes = Buffer.from(JSON.stringify(manifest));
    return { bytes, digest: digestOf(bytes), mediaType };
  };
  const others = Array.from({ length: 200 }, (_, index) => imageOf(`other ${index}`, index));
  const pushes = Array.from({ length: tagCount }, (_, index) =>
    index < immutableCount
      ? { tag: `v${index}`, image: imageOf(`release ${index}`, index) }
      : { tag: `build-${index}`, image: others[index % others.length] },
  );
  await eachOf(pushes, ({ tag, image }) => putManifest(url, tag, image));
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

function putManifest(url, reference, { bytes, mediaType }) {
  const headers = { 'content-type': mediaType };
  return expectStatus(
    201,
    fetch(`${url}/v2/${repository}/manifests/${reference}`, { method: 'PUT', headers, body: bytes }),
  );
}

function remove(url, digest) {
  return fetch(`${url}/v2/${repository}/manifests/${digest}`, { method: 'DELETE' });
}

async function expectStatus(status, answering) {
  const answer = await answering;
  const text = await answer.text();
  if (answer.status !== status) throw new Error(`${answer.url} answered ${answer.status}: ${text}`);
  return answer;
}

async function timed(act) {
  const startedMs = performance.now();
  await act();
  return performance.now() - startedMs;
}

function median(values) {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)];
}

function printTable([head, ...rows]) {
  const width = Math.max(...[head, ...rows].map(([what]) => what.length));
  console.log(`\n${head[0].padEnd(width)}  ${head[1].padStart(8)}`);
  for (const [what, ms] of rows)
    console.log(`${what.padEnd(width)}  ${ms.toFixed(ms < 10 ? 1 : 0).padStart(8)}`);
}

/** As operators run it: a process of its own. */
async function startTagwarden(directory, upstream) {
  const rulesFile = join(directory, 'rules.yaml');
  writeFileSync(rulesFile, rules);
  const flags = [
    '--upstream',
    upstream,
    '--rules',
    rulesFile,
    '--listen',
    '127.0.0.1:0',
    '--admin-listen',
    '127.0.0.1:0',
  ];
  const child = spawn(process.execPath, [join(root, 'dist/main.js'), 'serve', ...flags], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 2],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const { msg, address } = JSON.parse(line);
    if (msg === 'listening') {
      child.stdout.resume();
      return {
        url: `http://${address}`,
        stop: () => child.kill(),
        residentMiB: () => residentMiB(child.pid),
      };
    }
  }
  throw new Error('Tagwarden ended before it listened');
}

function residentMiB(pid) {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(kibibytes) / 1024);
}
