import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buildImage } from './oci-image.mjs';
import { findProgram, programEnvironment } from './programs.mjs';
import { CannotContinue, root } from './project.mjs';

/** What is pushed; the layout `images` has both under these names. */
export const images = {
  first: buildImage({ 'flight.txt': 'the flight that was released\n' }),
  second: buildImage({ 'flight.txt': 'another flight\n' }),
};

export const program = join(root, 'dist/main.js');

/** Tagwarden as its users run it: the built program, with the rules of config/rules.yaml. */
export async function startTagwarden(directory, upstreamUrl, flags = ['--listen', '127.0.0.1:0']) {
  const settings = ['--upstream', upstreamUrl, '--rules', join(root, 'config/rules.yaml')];
  const free = ['--admin-listen', '127.0.0.1:0'];
  const child = spawn(process.execPath, [program, 'serve', ...free, ...settings, ...flags], {
    // Its journal is written to where it runs.
    cwd: directory,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.includes('"msg":"listening"')) continue;
    child.stdout.resume();
    return { child, address: JSON.parse(line).address };
  }
  throw new CannotContinue('Tagwarden did not start.');
}

/** skopeo, which pushes an image of the layout to a reference. */
export function push(image, reference, ...options) {
  const from = `oci:images:${image}`;
  const all = ['--preserve-digests', '--dest-tls-verify=false', ...options];
  return skopeo('copy', ...all, from, `docker://${reference}`);
}

/** What is run, and how that is shown. */
export function skopeo(...args) {
  return {
    shown: `skopeo ${args.join(' ')}`,
    run: (cwd) => runToEnd(findProgram('skopeo'), ['--insecure-policy', ...args], cwd),
  };
}

function runToEnd(command, args, cwd) {
  const child = spawn(command, args, { cwd, env: programEnvironment, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  return new Promise((resolve) => child.on('close', (exitCode) => resolve({ exitCode, output })));
}

/** What the registry itself has under a tag: its manifest, or undefined. */
export async function readManifest(url, repository, tag, authorization) {
  const headers = { accept: images.first.descriptor.mediaType, ...(authorization && { authorization }) };
  const response = await fetch(`${url}/v2/${repository}/manifests/${tag}`, { headers });
  if (response.ok) return Buffer.from(await response.arrayBuffer());
  if (response.status !== 404) throw new Error(`${response.url} answered ${response.status}`);
  return undefined;
}

/** Says what is wrong, if anything. */
export function comparePulled(layout, { descriptor, bytes, blobs }) {
  const differs = [{ descriptor, bytes }, ...blobs].find((content) => {
    const file = join(layout, 'blobs', content.descriptor.digest.replace(':', '/'));
    return !readFileSync(file).equals(content.bytes);
  });
  return differs && `${differs.descriptor.digest} differs`;
}
