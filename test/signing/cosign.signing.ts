import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ask, refusalOf } from '../fixtures/ask.ts';
import { digestOf, imageOf, pushImage, storedManifest, type Image } from '../fixtures/image.ts';
import { runProgram, temporaryDirectory, type Outcome } from '../fixtures/program.ts';
import { startRedis } from '../fixtures/redis.ts';
import { goProgram, startRegistry } from '../fixtures/registry.ts';
import { startTagwarden, type Tagwarden } from '../fixtures/tagwarden.ts';

const repository = 'team/app';
const everything = `tag_rules:
  - { id: all, tag_name_pattern: .*, immutable: true }
`;
const manifestType = 'application/vnd.oci.image.manifest.v1+json';

interface Scene {
  readonly direct: string;
  readonly doors: readonly Tagwarden[];
  readonly image: Image;
  /** With a key of the signer's own: cosign adds no second signature by one key. */
  readonly sign: (signer?: number) => Promise<Outcome>;
  readonly attest: () => Promise<Outcome>;
  readonly verify: (signer?: number) => Promise<Outcome>;
}

async function startScene(t: Test, signers = 1): Promise<Scene> {
  const registry = await startRegistry(t);
  const redis = await startRedis(t);
  const config = `redis: { url: '${redis.url}' }\nrules: { publish: true }`;
  const start = () => startTagwarden(t, { upstream: registry.url, rules: everything, config });
  const doors = [await start(), await start()];
  const image = imageOf('to be signed');
  t.equal((await pushImage(doors[0]?.url ?? '', repository, 'v1', image)).status, 201);

  const cwd = temporaryDirectory(t);
  const cosign = (...args: readonly string[]): Promise<Outcome> =>
    runProgram(goProgram('cosign'), args, {
      cwd,
      env: { COSIGN_PASSWORD: '', COSIGN_YES: 'true', HOME: cwd },
    });
  for (let signer = 0; signer < signers; signer++) {
    succeeded(t, await cosign('generate-key-pair', '--output-key-prefix', `signer-${signer}`));
  }
  writeFileSync(join(cwd, 'predicate.json'), '{"built": "here"}');
  const keysOf = (signer: number): readonly string[] => [
    ...['--key', `signer-${signer}.key`, '--tlog-upload=false', '--allow-http-registry'],
  ];
  const named = (signer: number): string => {
    const door = doors[signer % doors.length];
    return `${door?.host}:${door?.port}/${repository}@${image.descriptor.digest}`;
  };
  return {
    ...{ direct: registry.url, doors, image },
    sign: (signer = 0) => cosign('sign', ...keysOf(signer), named(signer)),
    attest: () =>
      cosign('attest', ...keysOf(0), '--type', 'custom', '--predicate', 'predicate.json', named(0)),
    verify: (signer = 0) => {
      const key = ['--key', `signer-${signer}.pub`];
      return cosign('verify', ...key, '--insecure-ignore-tlog', '--allow-http-registry', named(signer));
    },
  };
}

function succeeded(t: Test, { exitCode, output }: Outcome): void {
  t.equal(exitCode, 0, output);
}

function tagOf({ descriptor }: Image, suffix: string): string {
  return descriptor.digest.replace(':', '-') + suffix;
}

async function layersOf({ direct, image }: Scene, suffix: string): Promise<number> {
  const { bytes } = await storedManifest(direct, repository, tagOf(image, suffix));
  return (JSON.parse(bytes.toString()) as { layers: unknown[] }).layers.length;
}

t.test('an immutable image is signed and attested twice, and nothing of it can be taken back', async (t) => {
  const scene = await startScene(t);
  for (const act of [scene.sign, scene.sign, scene.attest, scene.attest]) succeeded(t, await act());
  succeeded(t, await scene.verify());
  t.ok((await layersOf(scene, '.sig')) >= 1);
  t.equal(await layersOf(scene, '.att'), 2);
  const url = `${scene.doors[1]?.url}/v2/${repository}/manifests`;
  for (const suffix of ['.sig', '.att']) {
    const tag = tagOf(scene.image, suffix);
    const stored = await storedManifest(scene.direct, repository, tag);
    const body = Buffer.from(
      JSON.stringify({ ...(JSON.parse(stored.bytes.toString()) as object), layers: [] }),
    );
    const put = await ask(`${url}/${tag}`, { method: 'PUT', headers: ['Content-Type', manifestType], body });
    t.match(refusalOf(put), /^403 DENIED: .*it drops/, `${digestOf(body)} is not what ${tag} may become`);
    for (const reference of [tag, stored.digest]) {
      t.match(
        refusalOf(await ask(`${url}/${reference}`, { method: 'DELETE' })),
        /^403 DENIED: .* belongs to immutable/,
      );
    }
  }
  succeeded(t, await scene.verify());
});

t.test('eight sign at the same time through two replicas: eight signatures', async (t) => {
  const signers = Array.from({ length: 8 }, (_, signer) => signer);
  const scene = await startScene(t, signers.length);
  let denials = 0;
  const signUntilTold = async (signer: number): Promise<void> => {
    for (;;) {
      const { exitCode, output } = await scene.sign(signer);
      if (exitCode === 0) return;
      // Who lost to another is told, and signs again.
      if (!/DENIED|TOOMANYREQUESTS|429/.test(output)) throw new Error(output);
      denials += 1;
    }
  };
  await Promise.all(signers.map(signUntilTold));
  t.equal(await layersOf(scene, '.sig'), signers.length, `${denials} were denied in between`);
  for (const signer of signers) succeeded(t, await scene.verify(signer));
});
