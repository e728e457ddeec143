import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';
import { flagHelp, referenceYaml } from '../../src/config/reference.ts';
import { parseRules } from '../../src/config/rules.ts';
import { flagOf, keyPaths, keys, variableOf } from '../../src/config/schema.ts';

const directory = join(import.meta.dirname, '../../config');

function read(name: string): string {
  return readFileSync(join(directory, name), 'utf8');
}

t.test('config/reference.yaml is what the schema says', (t) => {
  t.equal(read('reference.yaml'), referenceYaml());
  t.end();
});

t.test('the example configurations load, and the reference sets nothing but defaults', (t) => {
  const load = (argv: readonly string[]) => loadConfig({ argv, env: {}, cwd: directory });
  const byDefault = load(['--upstream', 'http://127.0.0.1:5000', '--rules', 'rules.yaml']);
  t.ok('config' in byDefault);
  if (!('config' in byDefault)) return t.end();
  for (const name of ['reference.yaml', 'tagwarden.yaml']) {
    // All but where the switch is watched.
    const immutability = { ...byDefault.config.immutability, file: join(directory, name) };
    t.strictSame(load(['--config', name]), { config: { ...byDefault.config, immutability } });
  }
  t.end();
});

t.test('every key that is commented out can be used', (t) => {
  // Comments are sentences or names of flags; a key is one word before a colon.
  const uncommented = read('reference.yaml').replace(/^( *)# ( *)(# )?([a-z_]+:(?: \S+)?)$/gm, '$1$2$4');
  const leaves = (value: unknown, path: string): string[] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value).flatMap(([key, child]) => leaves(child, path === '' ? key : `${path}.${key}`))
      : [path];
  t.same(leaves(parse(uncommented), ''), keyPaths);
  t.end();
});

t.test('every key has its own flag and its own variable', (t) => {
  t.equal(new Set(keyPaths.map(flagOf)).size, keyPaths.length);
  t.equal(new Set(keyPaths.map(variableOf)).size, keyPaths.length);
  t.same(
    (
      ['upstream.url', 'listen', 'admin.listen', 'rules.file', 'redis.url', 'claims.ttl_seconds'] as const
    ).map((path) => [flagOf(path), variableOf(path)]),
    [
      ['--upstream', 'TAGWARDEN_UPSTREAM'],
      ['--listen', 'TAGWARDEN_LISTEN'],
      ['--admin-listen', 'TAGWARDEN_ADMIN_LISTEN'],
      ['--rules', 'TAGWARDEN_RULES'],
      ['--redis', 'TAGWARDEN_REDIS'],
      ['--claims-ttl-seconds', 'TAGWARDEN_CLAIMS_TTL_SECONDS'],
    ],
  );
  t.end();
});

t.test('--help has every flag', (t) => {
  const help = flagHelp();
  for (const path of keyPaths) {
    const isThere = help.includes(`  ${flagOf(path)} ${keys[path].kind.placeholder}\n`);
    t.ok(isThere, flagOf(path));
  }
  t.end();
});

t.test('the example rules are good', (t) => {
  const parsed = parseRules(read('rules.yaml'));
  if ('errors' in parsed) return t.fail(parsed.errors.join('\n'));
  const { repositoryRules, tagRules } = parsed.rules;
  t.same(
    [...repositoryRules, ...tagRules].map((rule) => rule.id),
    ['frozen', 'releases', 'latest-by-maintainers'],
  );
  t.end();
});
