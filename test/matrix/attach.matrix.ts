import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { ask, refusalOf } from '../fixtures/ask.ts';
import { imageOf, pushImage } from '../fixtures/image.ts';
import { runProgram, temporaryDirectory, type Outcome } from '../fixtures/program.ts';
import { distribution2, distribution3, goProgram, startRegistry } from '../fixtures/registry.ts';
import { startTagwarden } from '../fixtures/tagwarden.ts';

const repository = 'team/app';
const artifactType = 'application/vnd.example.sbom';
const everything = `tag_rules:
  - { id: all, tag_name_pattern: .*, immutable: true }
`;

for (const release of [distribution2, distribution3]) {
  t.test(`oras before ${release.name}: what is attached to an immutable image stays attached`, async (t) => {
    const registry = await startRegistry(t, release);
    const { url, host, port } = await startTagwarden(t, { upstream: registry.url, rules: everything });
    const image = imageOf('attached to');
    t.equal((await pushImage(url, repository, 'v1', image)).status, 201);
    const directory = temporaryDirectory(t);
    const oras = (...args: readonly string[]): Promise<Outcome> =>
      runProgram(goProgram('oras'), args, { cwd: directory });
    const attach = (name: string): Promise<Outcome> => {
      writeFileSync(join(directory, name), name);
      const options = ['--plain-http', '--no-tty', '--artifact-type', artifactType];
      return oras('attach', ...options, `${host}:${port}/${repository}:v1`, `${name}:text/plain`);
    };
    for (const name of ['one', 'two', 'two']) {
      const { exitCode, output } = await attach(name);
      t.equal(exitCode, 0, output);
    }
    // Those that meet another are denied, and try again, as their users would.
    await Promise.all(['three', 'four', 'five'].map((name) => untilAttached(() => attach(name))));
    const discovered = await oras(
      'discover',
      '--plain-http',
      '--format',
      'json',
      `${host}:${port}/${repository}:v1`,
    );
    const found = [...discovered.output.matchAll(/"digest": "(sha256:[0-9a-f]{64})"/g)].map(
      (match) => match[1] ?? '',
    );
    const referrers = new Set(found.filter((digest) => digest !== image.descriptor.digest));
    // What is attached twice in one second is one and the same.
    t.ok(referrers.size >= 5, `${referrers.size} are attached`);
    for (const digest of referrers) {
      const answer = await ask(`${url}/v2/${repository}/manifests/${digest}`, { method: 'DELETE' });
      t.match(refusalOf(answer), /^403 DENIED: manifest belongs to immutable tag team\/app:v1/);
    }
  });
}

/**
 * Again with another time of creation, which is in whole seconds: oras takes a manifest that is there for one that is
 * attached, and leaves the index of referrers alone.
 */
async function untilAttached(attach: () => Promise<Outcome>): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    if ((await attach()).exitCode === 0) return;
    await sleep(1_000);
  }
  throw new Error('it could not be attached in twenty attempts');
}
