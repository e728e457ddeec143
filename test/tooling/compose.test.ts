import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { checkRulesFiles } from '../../src/adapters/managed-rules-file.ts';
import { loadConfig } from '../../src/config/load.ts';
import { projectRoot } from '../fixtures/start.ts';

// What can be seen without an engine; test/matrix/containers.matrix.ts has the rest.

interface Service {
  readonly ports?: readonly string[];
  readonly networks: readonly string[] | Readonly<Record<string, unknown>>;
  readonly command?: string;
}

const read = (path: string): string => readFileSync(join(projectRoot, path), 'utf8');
const { services, networks } = parse(read('docker-compose.yml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
};

function membersOf(network: string): readonly string[] {
  const isMember = ({ networks: joined }: Service): boolean =>
    Array.isArray(joined) ? joined.includes(network) : network in joined;
  return Object.keys(services).filter((name) => isMember(services[name] ?? { networks: [] }));
}

t.test('docker-compose.yml publishes the front door alone, to this machine unless told otherwise', (t) => {
  const published = Object.entries(services).filter(([, { ports }]) => ports !== undefined);
  t.strictSame(
    published.map(([name, { ports }]) => [name, ports]),
    [['balancer', ['${TAGWARDEN_PUBLISH:-127.0.0.1:8080}:8080']]],
  );
  const open = Object.keys(networks).filter((name) => networks[name]?.internal !== true);
  t.strictSame(open, ['outside']);
  t.strictSame(membersOf('outside'), ['balancer']);
  t.strictSame(membersOf('doors'), ['balancer', 'tagwarden-1', 'tagwarden-2']);
  t.strictSame(membersOf('shelf'), ['tagwarden-1', 'tagwarden-2', 'registry']);
  t.strictSame(membersOf('ledger'), ['tagwarden-1', 'tagwarden-2', 'valkey']);
  t.end();
});

t.test('every service starts again, is asked whether it is healthy, and may do nothing special', (t) => {
  for (const [name, service] of Object.entries(services)) {
    t.match(
      service,
      {
        restart: 'unless-stopped',
        init: true,
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        healthcheck: { test: Array, interval: String, timeout: String, retries: Number },
      },
      name,
    );
  }
  t.end();
});

t.test('both Tagwardens are one and the same but for their address', (t) => {
  const { 'tagwarden-1': first, 'tagwarden-2': second } = services;
  t.strictSame({ ...first, networks: {} }, { ...second, networks: {} });
  t.end();
});

t.test('Valkey writes down what it acknowledges, and forgets nothing', (t) => {
  const command = services['valkey']?.command ?? '';
  for (const option of ['--appendonly yes', '--appendfsync always', '--maxmemory-policy noeviction']) {
    t.ok(command.includes(option), option);
  }
  t.end();
});

t.test('what the Tagwardens are started with is good', (t) => {
  const file = join(projectRoot, 'deploy/compose/tagwarden.yaml');
  const loaded = loadConfig({ argv: ['--config', file], env: {}, cwd: projectRoot });
  t.match(loaded, { config: { redis: { servers: { kind: 'standalone' } }, rules: { publish: true } } });
  if ('config' in loaded) t.strictSame(checkRulesFiles(loaded.config.rules.file ?? '', undefined), []);
  t.end();
});

t.test('the Dockerfile needs no BuildKit, and says which version it makes', (t) => {
  const dockerfile = read('Dockerfile');
  t.notMatch(dockerfile, /^# *syntax *=|--mount|--link|--chmod|<</m);
  t.strictSame(new Set(dockerfile.match(/(?<=^FROM )\S+/gm)), new Set(['node:24-slim']));
  const { version } = JSON.parse(read('package.json')) as { version: string };
  t.match(dockerfile, `org.opencontainers.image.version="${version}"`);
  t.end();
});
