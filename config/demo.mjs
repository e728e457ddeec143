import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensurePrograms } from './debian.mjs';
import { startLocalUpstream } from './local-upstream.mjs';
import { buildImage, writeLayout } from './oci-image.mjs';
import { findProgram, programEnvironment } from './programs.mjs';
import { build, CannotContinue, installDependencies, root, runScript } from './project.mjs';

const first = buildImage({ 'flight.txt': 'the flight that was released\n' });
const second = buildImage({ 'flight.txt': 'another flight\n' });

// npm run demo: a real client pushes through Tagwarden to a real registry, and every answer is checked.
await runScript(async () => {
  installDependencies();
  build();
  ensurePrograms('skopeo');
  const directory = mkdtempSync(join(tmpdir(), 'tagwarden-demo-'));
  const ends = [() => rmSync(directory, { recursive: true })];
  process.once('exit', () => ends.reverse().forEach((end) => end()));
  // Ends by way of "exit", so that nothing is left behind.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

  writeLayout(join(directory, 'images'), { first, second });
  const upstream = await startLocalUpstream(join(directory, 'registry'));
  ends.push(upstream.stop);
  const { child, address } = await startTagwarden(directory, upstream.url);
  ends.push(() => child.kill());
  console.log(`Tagwarden at ${address}, in front of ${upstream.name}, with the rules of config/rules.yaml.`);

  let wrong = 0;
  for (const [index, step] of steps(address, upstream.url, directory).entries()) {
    console.log(`\n${index + 1}. ${step.title}\n   $ skopeo ${step.command.join(' ')}`);
    const complaint = await play(step, directory);
    console.log(complaint === undefined ? `   OK     ${step.verdict}` : `   WRONG  ${complaint}`);
    if (complaint !== undefined) wrong++;
  }
  console.log(wrong === 0 ? '\nAll as it should be.' : `\n${wrong} of the steps went wrong.`);
  // The servers would keep this process running.
  process.exit(wrong === 0 ? 0 : 1);
});

/** What is done, what the client must print if it must fail, and what must be true afterwards. */
function steps(address, upstreamUrl, directory) {
  const tag = `docker://${address}/flightjs/flight:v1.0`;
  const push = (image, to) => [
    'copy',
    '--preserve-digests',
    '--dest-tls-verify=false',
    `oci:images:${image}`,
    to,
  ];
  const isUnchanged = async () => {
    const stored = await readManifest(upstreamUrl, 'flightjs/flight', 'v1.0');
    return stored?.equals(first.bytes)
      ? undefined
      : 'the registry does not have the manifest of the first push';
  };
  return [
    {
      title: 'A release tag is created.',
      command: push('first', tag),
      holds: isUnchanged,
      verdict: `pushed: flightjs/flight:v1.0 is ${first.descriptor.digest}`,
    },
    {
      title: 'The same image is pushed again, as by a pipeline that runs twice.',
      command: push('first', tag),
      holds: isUnchanged,
      verdict: 'pushed: the same digest again is no overwrite',
    },
    {
      title: 'Another image is pushed to the same tag.',
      command: push('second', tag),
      denied: /denied: tag is immutable; flightjs\/flight:v1\.0 is sha256:/,
      holds: isUnchanged,
      verdict: 'denied, and the stored tag is unchanged',
    },
    {
      title: 'An image is pushed into a protected repository.',
      command: push('second', `docker://${address}/flightjs/frozen:v2.0`),
      denied: /denied: container protected; /,
      holds: async () =>
        (await readManifest(upstreamUrl, 'flightjs/frozen', 'v2.0')) &&
        'the registry has the tag nevertheless',
      verdict: 'denied, and nothing was stored',
    },
    {
      title: 'The release is deleted.',
      command: ['delete', '--tls-verify=false', tag],
      // Older releases of skopeo print the body of the answer, newer ones its message.
      denied: /denied: |\bDENIED\b/,
      holds: isUnchanged,
      verdict: 'denied, and the stored tag is unchanged',
    },
    {
      title: 'The release is pulled.',
      command: ['copy', '--preserve-digests', '--src-tls-verify=false', tag, 'oci:pulled:v1.0'],
      holds: () => comparePulled(join(directory, 'pulled')),
      verdict: 'pulled: every byte is that of the first push',
    },
  ];
}

/** Runs the client and prints what it printed; answers what is wrong, if anything. */
async function play({ command, denied, holds }, directory) {
  const { exitCode, output } = await skopeo(command, directory);
  console.log(output.trimEnd().replace(/^/gm, '     '));
  if (denied === undefined && exitCode !== 0) return `skopeo failed (exit code ${exitCode})`;
  if (denied !== undefined && exitCode === 0) return 'skopeo succeeded';
  if (denied !== undefined && !denied.test(output)) return `skopeo did not print ${denied.source}`;
  return holds();
}

function skopeo(args, cwd) {
  const child = spawn(findProgram('skopeo'), ['--insecure-policy', ...args], {
    cwd,
    env: programEnvironment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  return new Promise((resolve) => child.on('close', (exitCode) => resolve({ exitCode, output })));
}

async function readManifest(url, repository, tag) {
  const headers = { accept: first.descriptor.mediaType };
  const response = await fetch(`${url}/v2/${repository}/manifests/${tag}`, { headers });
  return response.ok ? Buffer.from(await response.arrayBuffer()) : undefined;
}

function comparePulled(layout) {
  const differs = [first, ...first.blobs].find(({ descriptor, bytes }) => {
    const file = join(layout, 'blobs', descriptor.digest.replace(':', '/'));
    return !readFileSync(file).equals(bytes);
  });
  return differs && `${differs.descriptor.digest} differs`;
}

/** Tagwarden as its users run it: the built program, on a free port. */
async function startTagwarden(directory, upstreamUrl) {
  const free = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'];
  const settings = ['--upstream', upstreamUrl, '--rules', join(root, 'config/rules.yaml')];
  const child = spawn(process.execPath, [join(root, 'dist/main.js'), 'serve', ...free, ...settings], {
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
