import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root, runScript } from './project.mjs';

/** Under which packages may come with ours (SPDX): what asks for no more than to be named. */
export const productLicences = [
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
];
/** Beside these, what only builds and tests it; none of it is passed on. */
export const toolLicences = ['CC0-1.0', 'CC-BY-3.0', '(MIT OR CC0-1.0)', '(WTFPL OR MIT)'];

/** @returns the packages of package-lock.json: where each is, what it is, and whether it only builds and tests */
export function lockedPackages() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return Object.entries(packages)
    .filter(([path]) => path !== '')
    .map(([path, entry]) => {
      const name = entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
      return { path, name, isTool: entry.dev === true || entry.devOptional === true, ...entry };
    });
}

/** What the product is made of, as CycloneDX 1.6 (ECMA-424) has it; the same text for the same lock file. */
export function bom() {
  const about = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const product = lockedPackages().filter(({ isTool }) => !isTool);
  const at = new Map(product.map((entry) => [entry.path, entry]));
  const refs = (path, { dependencies = {}, optionalDependencies = {} }) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .flatMap((name) => resolve(at, path, name) ?? [])
      .map(purl);
  const dependsOn = (ref, list) => ({ ref, dependsOn: [...new Set(list)].sort() });
  const components = new Map(product.map((entry) => [purl(entry), component(entry)]));
  const graph = new Map(
    product.map((entry) => [purl(entry), dependsOn(purl(entry), refs(entry.path, entry))]),
  );
  const sorted = (byRef) =>
    [...byRef].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, value]) => value);
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: 'application',
        'bom-ref': purl(about),
        name: about.name,
        version: about.version,
        description: about.description,
        licenses: [{ license: { id: about.license } }],
        purl: purl(about),
      },
    },
    components: sorted(components),
    dependencies: [dependsOn(purl(about), refs('', about)), ...sorted(graph)],
  };
}

function component(entry) {
  const [name, group] = entry.name.split('/').reverse();
  const [algorithm, digest] = entry.integrity.split('-');
  return {
    type: 'library',
    'bom-ref': purl(entry),
    ...(group !== undefined && { group }),
    name,
    version: entry.version,
    hashes: [
      { alg: algorithm.replace('sha', 'SHA-'), content: Buffer.from(digest, 'base64').toString('hex') },
    ],
    licenses: [
      /[ (]/.test(entry.license) ? { expression: entry.license } : { license: { id: entry.license } },
    ],
    purl: purl(entry),
  };
}

/** https://github.com/package-url/purl-spec: the @ of a scope is encoded. */
function purl({ name, version }) {
  return `pkg:npm/${name.replace(/^@/, '%40')}@${version}`;
}

/** As Node looks for it: beside, then further out. */
function resolve(at, path, name) {
  for (let place = path; ; place = dirname(place)) {
    const found = at.get(
      place === '' || place === '.' ? `node_modules/${name}` : `${place}/node_modules/${name}`,
    );
    if (found || place === '' || place === '.') return found;
  }
}

// npm run --silent sbom > tagwarden.cdx.json   what the product is made of
// npm run --silent licences                    the same as a list: name, version, licence
if (process.argv[1] === import.meta.filename) {
  await runScript((args) => {
    if (!args.includes('--list')) return console.log(JSON.stringify(bom(), null, 2));
    for (const { name, version, license, isTool } of lockedPackages()) {
      if (!isTool) console.log(`${name}\t${version}\t${license}`);
    }
  });
}
