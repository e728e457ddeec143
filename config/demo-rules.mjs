import { join } from 'node:path';
import { comparePulled, images, push, readManifest, skopeo, startTagwarden } from './demo-scene.mjs';
import { startLocalUpstream } from './local-upstream.mjs';

/** Everybody may push, and the rules hold. */
export async function startRulesDemo(directory, atEnd) {
  const upstream = await startLocalUpstream(join(directory, 'registry'));
  atEnd(upstream.stop);
  const { child, address } = await startTagwarden(directory, upstream.url);
  atEnd(() => child.kill());
  const title = `Tagwarden at ${address}, in front of ${upstream.name}, with the rules of config/rules.yaml.`;
  return { title, steps: stepsOf(address, upstream.url, directory) };
}

/** What is done, what the client must print if it must fail, and what must be true afterwards. */
function stepsOf(address, upstreamUrl, directory) {
  const tag = `${address}/flightjs/flight:v1.0`;
  const isUnchanged = async () => {
    const stored = await readManifest(upstreamUrl, 'flightjs/flight', 'v1.0');
    return stored?.equals(images.first.bytes)
      ? undefined
      : 'the registry does not have the manifest of the first push';
  };
  return [
    {
      title: 'A release tag is created.',
      ...push('first', tag),
      holds: isUnchanged,
      verdict: `pushed: flightjs/flight:v1.0 is ${images.first.descriptor.digest}`,
    },
    {
      title: 'The same image is pushed again, as by a pipeline that runs twice.',
      ...push('first', tag),
      holds: isUnchanged,
      verdict: 'pushed: the same digest again is no overwrite',
    },
    {
      title: 'Another image is pushed to the same tag.',
      ...push('second', tag),
      denied: /denied: tag is immutable; flightjs\/flight:v1\.0 is sha256:/,
      holds: isUnchanged,
      verdict: 'denied, and the stored tag is unchanged',
    },
    {
      title: 'An image is pushed into a protected repository.',
      ...push('second', `${address}/flightjs/frozen:v2.0`),
      denied: /denied: container protected; /,
      holds: async () =>
        (await readManifest(upstreamUrl, 'flightjs/frozen', 'v2.0')) &&
        'the registry has the tag nevertheless',
      verdict: 'denied, and nothing was stored',
    },
    {
      title: 'The release is deleted.',
      ...skopeo('delete', '--tls-verify=false', `docker://${tag}`),
      // Older releases of skopeo print the body of the answer, newer ones its message.
      denied: /denied: |\bDENIED\b/,
      holds: isUnchanged,
      verdict: 'denied, and the stored tag is unchanged',
    },
    {
      title: 'The release is pulled.',
      ...skopeo('copy', '--preserve-digests', '--src-tls-verify=false', `docker://${tag}`, 'oci:pulled:v1.0'),
      holds: () => comparePulled(join(directory, 'pulled'), images.first),
      verdict: 'pulled: every byte is that of the first push',
    },
  ];
}
