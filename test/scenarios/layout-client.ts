import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import {
  imageOf,
  incompressible,
  indexOf,
  buildImage,
  storedManifest,
  writeLayout,
  type Image,
} from '../fixtures/image.ts';
import { temporaryDirectory, type Outcome } from '../fixtures/program.ts';
import type { RegistryRelease } from '../fixtures/registry.ts';
import { immutableMessage, startedUploads, startFrontDoor } from './front-door.ts';
import { inMiB, largeLayerBytes } from './large-layer.ts';

/** A client that copies between OCI layouts and registries; a reference is `HOST:PORT/REPOSITORY:TAG`. */
export interface LayoutClient {
  readonly name: string;
  /** Pushes the one image of a layout, which has it under `tag`. */
  readonly push: (layout: string, tag: string, reference: string) => Promise<Outcome>;
  readonly pull: (reference: string, layout: string, tag: string) => Promise<Outcome>;
  /** From one repository of a registry to another. */
  readonly copy: (from: string, to: string) => Promise<Outcome>;
}

export interface User {
  readonly name: string;
  readonly password: string;
}

/** The same client with credentials. */
export interface LayoutClientWithLogin {
  readonly name: string;
  /** Whether it tries a password at the login already. */
  readonly asksAtLogin: boolean;
  /** Whether it says why it gets no token; skopeo prints no more than the status. */
  readonly saysWhyNoToken: boolean;
  /** The client that keeps its credentials in a directory. */
  readonly clientIn: (
    directory: string,
  ) => LayoutClient & { readonly login: (address: string, user: User) => Promise<Outcome> };
}

/** What must hold for each client before each release: pushes and pulls unchanged, and is refused where it must be. */
export function layoutClientScenarios(t: Test, client: LayoutClient, release: RegistryRelease): void {
  const title = `${client.name} before ${release.name}`;

  t.test(`${title}: an image and an index arrive and come back byte for byte`, async (t) => {
    const { upstream, address } = await startFrontDoor(t, release);
    for (const [tag, image] of Object.entries({ v1: imageOf('one'), all: indexOf('two') })) {
      await expectRoundTrip(t, client, `${address}/any/app:${tag}`, image);
      const stored = await storedManifest(upstream.url, 'any/app', tag);
      t.ok(stored.bytes.equals(image.bytes), `the manifest of ${tag} is stored as it was built`);
    }
  });

  const largeBytes = largeLayerBytes(client.name, release);
  t.test(`${title}: a layer of ${inMiB(largeBytes)}`, async (t) => {
    const { address } = await startFrontDoor(t, release);
    const image = buildImage({ 'layer.bin': incompressible(largeBytes) });
    await expectRoundTrip(t, client, `${address}/any/large:v1`, image);
  });

  const skip = release.sharesBlobs ? 'it shares blobs without being asked' : false;
  t.test(`${title}: a blob is mounted from another repository`, { skip }, async (t) => {
    const { upstream, address } = await startFrontDoor(t, release);
    const image = imageOf('shared');
    succeeded(t, await client.push(writtenLayout(t, image), 'image', `${address}/any/first:v1`));
    succeeded(t, await client.copy(`${address}/any/first:v1`, `${address}/any/second:v1`));
    const uploads = (await startedUploads(upstream)).filter((line) => line.includes('/any/second/'));
    const [layer = ''] = image.blobs.map(({ descriptor }) => descriptor.digest).slice(-1);
    const mounts = uploads.filter((line) => line.includes(`mount=${encodeURIComponent(layer)}`));
    t.match(mounts, [/ 201$/], 'the layer was mounted');
  });

  t.test(`${title}: an immutable tag stays what it is`, async (t) => {
    const { upstream, address } = await startFrontDoor(t, release);
    const [first, second] = [imageOf('released'), imageOf('another')];
    const layout = writtenLayout(t, first);
    const reference = `${address}/flightjs/flight:v1.0`;
    succeeded(t, await client.push(layout, 'image', reference));
    const before = await storedManifest(upstream.url, 'flightjs/flight', 'v1.0');
    succeeded(t, await client.push(layout, 'image', reference), 'the same digest again');

    const refused = await client.push(writtenLayout(t, second), 'image', reference);
    t.not(refused.exitCode, 0);
    t.match(refused.output, immutableMessage(first.descriptor.digest, second.descriptor.digest));
    const after = await storedManifest(upstream.url, 'flightjs/flight', 'v1.0');
    t.strictSame(after, before, 'the stored tag is unchanged');
    t.ok(after.bytes.equals(first.bytes));
  });

  t.test(`${title}: a protected repository is refused before anything is sent`, async (t) => {
    const { upstream, address } = await startFrontDoor(t, release);
    const refused = await client.push(writtenLayout(t, imageOf('x')), 'image', `${address}/frozen/app:v1`);
    t.not(refused.exitCode, 0);
    t.match(
      refused.output,
      /denied: container protected; you are not allowed to push to frozen\/app .*rule frozen/i,
    );
    t.strictSame(await startedUploads(upstream), []);
  });
}

async function expectRoundTrip(
  t: Test,
  client: LayoutClient,
  reference: string,
  image: Image,
): Promise<void> {
  succeeded(t, await client.push(writtenLayout(t, image), 'image', reference), `push ${reference}`);
  const pulled = temporaryDirectory(t);
  succeeded(t, await client.pull(reference, pulled, 'image'), `pull ${reference}`);
  const differing = contentsOf(image).filter(({ descriptor, bytes }) => {
    return !readFileSync(join(pulled, 'blobs', descriptor.digest.replace(':', '/'))).equals(bytes);
  });
  t.strictSame(differing, [], 'what was pulled is what was pushed');
}

function contentsOf(image: Image): readonly Pick<Image, 'descriptor' | 'bytes'>[] {
  return [image, ...image.blobs, ...image.manifests.flatMap(contentsOf)];
}

export function writtenLayout(t: Test, image: Image): string {
  const directory = temporaryDirectory(t);
  writeLayout(directory, { image });
  return directory;
}

/** On failure, what the client printed is what one wants to read. */
function succeeded(t: Test, { exitCode, output }: Outcome, what = 'the client succeeds'): void {
  t.equal(exitCode, 0, exitCode === 0 ? what : output);
}
