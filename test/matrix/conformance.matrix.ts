import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runProgram, temporaryDirectory } from '../fixtures/program.ts';
import {
  distribution2,
  distribution3,
  goProgramPath,
  startRegistry,
  type RegistryRelease,
} from '../fixtures/registry.ts';
import { rulesElsewhere, startTagwarden } from '../fixtures/tagwarden.ts';

// The suite of the distribution-spec itself, built from its Go module, or one that was built elsewhere.
const suite = process.env.OCI_CONFORMANCE_SUITE ?? goProgramPath('conformance');
const skip = existsSync(suite)
  ? false
  : 'the Go module proxy of this machine does not have the conformance suite';

for (const release of [distribution2, distribution3]) {
  for (const version of ['1.1', 'dev']) {
    t.test(
      `OCI conformance ${version}, ${release.name}: what passes directly passes through`,
      { skip },
      async (t) => {
        const direct = await passedCases(t, (await startRegistry(t, release)).url, version);
        const through = await passedCases(t, await startBehindTagwarden(t, release), version);
        t.ok(direct.size > 100, `${direct.size} names of cases that pass directly`);
        const worse = [...direct].filter(([name, passed]) => (through.get(name) ?? 0) < passed);
        t.strictSame(worse, []);
      },
    );
  }
}

async function startBehindTagwarden(t: Test, release: RegistryRelease): Promise<string> {
  const upstream = await startRegistry(t, release);
  return (await startTagwarden(t, { upstream: upstream.url, rules: rulesElsewhere })).url;
}

/** Runs the suite; the name of a case → how many of that name have passed (several cases share a name). */
async function passedCases(t: Test, url: string, version: string): Promise<ReadonlyMap<string, number>> {
  const directory = temporaryDirectory(t);
  const env = {
    OCI_REGISTRY: new URL(url).host,
    OCI_TLS: 'disabled',
    OCI_VERSION: version,
    OCI_RESULTS_DIR: directory,
  };
  // It exits with 1 if any case fails, and registries fail some.
  const { output } = await runProgram(suite, [], { env, cwd: directory });
  const report = join(directory, 'junit.xml');
  if (!existsSync(report)) throw new Error(`The conformance suite wrote no report: ${output}`);
  const cases = readFileSync(report, 'utf8').matchAll(/<testcase name="([^"]*)"[^>]* status="passed"/g);
  const passed = new Map<string, number>();
  for (const [, name = ''] of cases) passed.set(name, (passed.get(name) ?? 0) + 1);
  return passed;
}
