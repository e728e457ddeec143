import t from 'tap';
import { bom, lockedPackages, productLicences, toolLicences } from '../../config/sbom.mjs';
import { runProgram } from '../fixtures/program.ts';
import { projectRoot } from '../fixtures/start.ts';

/** Without a word in their package.json: what the file of the licence says. */
const knownLicences: Readonly<Record<string, string>> = { 'jsonc-simple-parser': 'MIT' };

t.test('every package has a licence that we may use it by', (t) => {
  const refused = lockedPackages().flatMap(
    ({ name, version, isTool, license = knownLicences[name] ?? 'none' }) => {
      const allowed = isTool ? [...productLicences, ...toolLicences] : productLicences;
      return allowed.includes(license) ? [] : [`${name} ${version}: ${license}${isTool ? ' (a tool)' : ''}`];
    },
  );
  t.strictSame(refused, []);
  t.end();
});

t.test(
  'the SBOM has every package that comes with ours, once, with its hash and what it needs',
  async (t) => {
    const { components, dependencies } = bom();
    const refs = components.map((component) => component['bom-ref']);
    const product = lockedPackages().filter(({ isTool }) => !isTool);
    t.strictSame(
      refs,
      [
        ...new Set(product.map(({ name, version }) => `pkg:npm/${name.replace('@', '%40')}@${version}`)),
      ].sort(),
    );
    for (const { hashes, 'bom-ref': ref } of components)
      t.match(hashes, [{ alg: 'SHA-512', content: /^[0-9a-f]{128}$/ }], ref);
    const [root, ...others] = dependencies;
    t.match(root?.ref, /^pkg:npm\/tagwarden@/);
    t.strictSame(
      others.map(({ ref }) => ref),
      refs,
    );
    const reached = new Set(root?.dependsOn);
    for (const ref of reached)
      for (const next of others.find((one) => one.ref === ref)?.dependsOn ?? []) reached.add(next);
    t.strictSame([...reached].sort(), refs, 'all of them are needed by somebody');
    const printed = await runProgram('npm', ['run', '--silent', 'sbom'], { cwd: projectRoot });
    t.strictSame(JSON.parse(printed.output), JSON.parse(JSON.stringify(bom())));
  },
);

t.test('nothing that comes with ours has a vulnerability that the registry knows of', async (t) => {
  const args = ['audit', '--omit=dev', '--audit-level=high', '--audit=true'];
  const { exitCode, output } = await runProgram('npm', args, { cwd: projectRoot });
  if (/audit endpoint returned an error|ENOAUDIT/.test(output)) {
    t.comment(output);
    t.pass('this registry does not say', { skip: 'the registry has no audit endpoint' });
    return;
  }
  t.equal(exitCode, 0, output);
});
