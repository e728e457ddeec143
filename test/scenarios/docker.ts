import type { Test } from 'tap';
import type { Engine } from '../fixtures/docker.ts';
import { incompressible, storedManifest } from '../fixtures/image.ts';
import type { Outcome } from '../fixtures/program.ts';
import type { RegistryRelease } from '../fixtures/registry.ts';
import { immutableMessage, startedUploads, startFrontDoor } from './front-door.ts';
import { inMiB, largeLayerBytes } from './large-layer.ts';

/** What must hold for docker before each release. */
export function dockerScenarios(t: Test, engine: () => Engine, release: RegistryRelease): void {
  const title = `docker before ${release.name}`;
  /** Runs docker; answers what it printed. */
  const docker = async (t: Test, ...args: readonly string[]): Promise<string> => {
    const { exitCode, output } = await engine().docker(...args);
    t.equal(exitCode, 0, exitCode === 0 ? `docker ${args[0] ?? ''}` : output);
    return output;
  };

  t.test(`${title}: an image is pushed, and pulled as what it was`, async (t) => {
    const { upstream, address } = await startFrontDoor(t, release);
    const name = `${address}/any/app:v1`;
    await engine().importImage(name, { 'a.txt': 'a', 'layer.bin': incompressible(3 * 2 ** 20) });
    const id = await docker(t, 'image', 'inspect', '--format', '{{.Id}}', name);
    const digest = digestIn(await docker(t, 'push', name));
    t.equal((await storedManifest(upstream.url, 'any/app', 'v1')).digest, digest);
    await docker(t, 'image', 'rm', name);
    t.match(await docker(t, 'pull', name), `Digest: ${digest}`);
    t.equal(await docker(t, 'image', 'inspect', '--format', '{{.Id}}', name), id);
  });

  const largeBytes = largeLayerBytes('docker', release);
  t.test(`${title}: a layer of ${inMiB(largeBytes)}`, async (t) => {
    const { address } = await startFrontDoor(t, release);
    const name = `${address}/any/large:v1`;
    await engine().importImage(name, { 'layer.bin': incompressible(largeBytes) });
    const id = await docker(t, 'image', 'inspect', '--format', '{{.Id}}', name);
    await docker(t, 'push', name);
    await docker(t, 'image', 'rm', name);
    await docker(t, 'pull', name);
    t.equal(await docker(t, 'image', 'inspect', '--format', '{{.Id}}', name), id);
    await docker(t, 'image', 'rm', name);
  });

  t.test(`${title}: an image for several platforms`, async (t) => {
    const { upstream, address } = await startFrontDoor(t, release);
    const index = `${address}/any/multi:all`;
    const names = ['amd64', 'arm64'].map((architecture) => `${address}/any/multi:${architecture}`);
    for (const name of names) {
      await engine().importImage(name, { 'a.txt': name });
      await docker(t, 'push', name);
    }
    await docker(t, 'manifest', 'create', '--insecure', index, ...names);
    await docker(t, 'manifest', 'annotate', '--arch', 'arm64', index, names[1] ?? '');
    await docker(t, 'manifest', 'push', '--insecure', index);
    const stored = await storedManifest(upstream.url, 'any/multi', 'all');
    t.equal(stored.mediaType, 'application/vnd.docker.distribution.manifest.list.v2+json');
    t.match(await docker(t, 'pull', index), `Digest: ${stored.digest}`);
  });

  const skip = release.sharesBlobs ? 'it shares blobs without being asked' : false;
  t.test(`${title}: a layer is mounted from another repository`, { skip }, async (t) => {
    const { upstream, address } = await startFrontDoor(t, release);
    const [first, second] = [`${address}/any/first:v1`, `${address}/any/second:v1`];
    await engine().importImage(first, { 'a.txt': 'shared' });
    await docker(t, 'push', first);
    await docker(t, 'tag', first, second);
    t.match(await docker(t, 'push', second), 'Mounted from any/first');
    const mounts = (await startedUploads(upstream)).filter((line) => line.includes('mount='));
    t.match(mounts, [/^POST \/v2\/any\/second\/blobs\/uploads\/\?.* 201$/]);
  });

  t.test(`${title}: an immutable tag stays what it is, and the last line says so`, async (t) => {
    const { upstream, address } = await startFrontDoor(t, release);
    const name = `${address}/flightjs/flight:v1.0`;
    await engine().importImage(name, { 'a.txt': 'released' });
    const first = digestIn(await docker(t, 'push', name));
    const before = await storedManifest(upstream.url, 'flightjs/flight', 'v1.0');
    t.equal(digestIn(await docker(t, 'push', name)), first, 'the same digest again succeeds');

    await engine().importImage(name, { 'a.txt': 'another' });
    const refused = await engine().docker('push', name);
    t.equal(refused.exitCode, 1);
    // What it would have become: the engine builds the same manifest for a tag that is free.
    const free = `${address}/flightjs/flight:free`;
    await docker(t, 'tag', name, free);
    const second = digestIn(await docker(t, 'push', free));
    t.equal(refused.lastLine, `denied: ${immutableMessage(first, second)}`);
    t.strictSame(
      await storedManifest(upstream.url, 'flightjs/flight', 'v1.0'),
      before,
      'the tag is unchanged',
    );
  });

  t.test(`${title}: a protected repository is refused before any layer is sent`, async (t) => {
    const { upstream, address } = await startFrontDoor(t, release);
    const name = `${address}/frozen/app:v1`;
    await engine().importImage(name, { 'a.txt': 'x' });
    const refused: Outcome = await engine().docker('push', name);
    t.equal(refused.exitCode, 1);
    t.match(
      refused.lastLine,
      /^denied: container protected; you are not allowed to push to frozen\/app .*rule frozen/,
    );
    t.strictSame(await startedUploads(upstream), []);
  });
}

/** `v1: digest: sha256:… size: 528` */
function digestIn(output: string): string {
  return /digest: (sha256:[0-9a-f]{64})/.exec(output)?.[1] ?? output;
}
