import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import t, { type Test } from 'tap';
import { expectOk, imageOf, indexOf, pushImage, putManifest } from '../fixtures/image.ts';
import { startRegistry } from '../fixtures/registry.ts';
import { runScan, signatureOf } from '../fixtures/scan.ts';

const documented = readFileSync(join(import.meta.dirname, '../../docs/scan.md'), 'utf8');
const rules = blockOf('yaml');

/** The code block of a language. */
function blockOf(language: string): string {
  const block = new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(documented)?.[1];
  if (block === undefined) throw new Error(`docs/scan.md has no block of ${language}`);
  return block;
}

/** What the example is of. */
async function startExample(t: Test): Promise<string> {
  const { url } = await startRegistry(t);
  const release = indexOf('release');
  const candidate = imageOf('candidate');
  const push = async (tag: string, image: typeof release): Promise<void> =>
    expectOk(await pushImage(url, 'flightjs/flight', tag, image));
  await push('v1.0', release);
  await push('v1.1-rc1', candidate);
  await push('latest', imageOf('latest'));
  for (const signed of [release, candidate]) await push(signatureOf(signed).tag, signatureOf(signed));
  const [child] = release.manifests;
  if (!child) throw new Error('the index is empty');
  await expectOk(await putManifest(url, 'flightjs/flight', 'edge', child));
  await expectOk(await pushImage(url, 'flightjs/tower', 'main', imageOf('tower')));
  return url;
}

t.test('docs/scan.md shows what a scan says', async (t) => {
  const upstream = await startExample(t);
  const table = await runScan(t, { upstream, rules });
  t.equal(table.exitCode, 0);
  t.equal(table.out, blockOf('text'));
  t.equal(table.err.text, '');

  const args = ['--json', 'flightjs/flight'];
  const json = await runScan(t, { upstream, rules, args });
  t.equal(json.exitCode, 0);
  t.equal(json.err.text, '');
  const shown = json.out
    .replace(JSON.stringify(upstream), '"http://127.0.0.1:5000"')
    .replace(JSON.stringify(json.rulesFile), '"/etc/tagwarden/rules.yaml"');
  t.strictSame(JSON.parse(blockOf('json')), JSON.parse(shown));

  const coloured = await runScan(t, { upstream, rules, isTTY: true, env: { NO_COLOR: '' } });
  t.match(coloured.out, '\x1b[32mimmutable (releases)\x1b[0m');
  t.equal(stripVTControlCharacters(coloured.out), table.out, 'nothing but colours is added');
  t.match(coloured.err.text, '[########################] 2/2 repositories, 7 tags');
  t.ok(coloured.err.text.endsWith('\r\x1b[2K'), 'the bar is gone at the end');
  const plain = await runScan(t, { upstream, rules, isTTY: true, env: { NO_COLOR: '1' } });
  t.equal(plain.out, table.out, 'no colours with NO_COLOR');
  t.match(plain.err.text, '2/2 repositories', 'the bar has none');
});
