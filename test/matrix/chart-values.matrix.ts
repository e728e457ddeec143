import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { checkRulesFiles } from '../../src/adapters/managed-rules-file.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { podOf, renderChart, rendered, type KubernetesObject } from '../fixtures/chart.ts';
import { redis, rules, two, upstream, valueSets } from '../fixtures/chart-values.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { snippetsOf } from '../fixtures/snippets.ts';

// deploy/helm/tagwarden, rendered by Helm's engine and read by Kubernetes' types (test/matrix/chart/main.go): whatever
// values it takes come to something that can be started.

const unprivileged = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

for (const [name, values] of Object.entries(valueSets)) {
  t.test(`${name}: the API server takes every object, and no pod may do anything special`, (t) => {
    const { objects, problems } = rendered(values);
    // Fields that do not exist, wrong types, bad names and labels, and what "restricted" refuses.
    t.strictSame(problems, []);
    for (const object of objects) {
      const pod: unknown = object.kind === 'Pod' ? object.spec : object.spec?.template?.spec;
      if (pod === undefined) continue;
      t.match(pod, {
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 1000,
          fsGroup: 1000,
          seccompProfile: { type: 'RuntimeDefault' },
        },
        containers: [{ securityContext: unprivileged, resources: { limits: { memory: String } } }],
      });
      t.notMatch(JSON.stringify(pod), /hostPath|hostNetwork|hostPort|subPath|privileged"/);
    }
    t.end();
  });

  t.test(`${name}: what it is started with is good`, (t) => {
    const { objects } = rendered(values);
    const config = startedWith(t, objects);
    t.match(config, {
      listen: { host: '0.0.0.0', port: 8080 },
      admin: { listen: { host: '0.0.0.0', port: 9090 } },
      upstream: { url: upstream.url },
    });
    t.equal(
      config.redis !== undefined,
      config.rules.publish,
      'whoever shares rules publishes those of its file',
    );
    t.end();
  });
}

/** The configuration of the container, from the files that are mounted into it. */
function startedWith(t: Test, objects: readonly KubernetesObject[]): Config {
  const directory = temporaryDirectory(t);
  const { containers, volumes } = podOf(objects);
  const [container] = containers;
  const write = (file: string, text: string): void => {
    mkdirSync(dirname(file), { recursive: true });
    // Files of the machine are elsewhere here.
    writeFileSync(file, text.replaceAll('/etc/tagwarden', `${directory}/etc/tagwarden`));
  };
  for (const { name, mountPath } of container?.volumeMounts ?? []) {
    const { configMap, projected } = volumes.find((volume) => volume.name === name) ?? {};
    const data = objects.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMap?.name,
    )?.data;
    // What is there already has rules of its own.
    const files = data ?? (configMap ? { 'rules.yaml': `${JSON.stringify(rules)}\n` } : {});
    for (const [file, text] of Object.entries(files)) write(join(directory, mountPath, file), text);
    for (const { secret } of projected?.sources ?? []) {
      for (const { path } of secret.items) write(join(directory, mountPath, path), contentOf(path));
    }
  }
  const argv = (container?.args ?? []).slice(1).map((arg) => arg.replace(/^\/etc/, `${directory}/etc`));
  const env = Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, value]));
  const loaded = loadConfig({ argv, env, cwd: directory });
  if ('errors' in loaded) throw new Error(loaded.errors.join('\n'));
  t.strictSame(checkRulesFiles(loaded.config.rules.file ?? '', undefined), []);
  const text = readFileSync(join(directory, 'etc/tagwarden/config/tagwarden.yaml'), 'utf8');
  for (const [file = ''] of text.matchAll(/(?<=: )\/\S+\/etc\/tagwarden\/\S+/g)) t.ok(existsSync(file), file);
  return loaded.config;
}

function contentOf(path: string): string {
  if (path.endsWith('ca.crt')) return '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
  return path === 'tokens.yaml' ? 'tokens: []\n' : 'secret\n';
}

t.test('the values of docs/kubernetes.md render, and can be started from', (t) => {
  const [first = {}, ...others] = snippetsOf('docs/kubernetes.md', 'yaml').map(
    (text) => parse(text) as object,
  );
  const { objects, problems } = rendered(first);
  t.strictSame(problems, []);
  t.match(startedWith(t, objects), { publicUrl: 'https://registry.example' });
  t.equal(others.length, 2);
  // Each says what it is about, and leaves the rest to the first.
  for (const values of others) t.strictSame(rendered({ ...two, ...values }).problems, []);
  t.end();
});

const builtin = { auth: { mode: 'builtin' } };
for (const [why, values, says] of [
  ['nothing is given', {}, /: give the /],
  ['there is no registry', { ...two, config: { redis } }, /config\.upstream\.url: give the address/],
  ['there is no image', { ...two, image: {} }, /image\.repository: give the image/],
  [
    'two have no Redis',
    { ...two, config: { upstream } },
    /config\.redis\.url: 2 replicas need a Redis or Valkey/,
  ],
  [
    'the autoscaler makes more',
    { ...two, config: { upstream }, replicas: 1, autoscaling: { enabled: true } },
    /6 replicas need/,
  ],
  [
    'one has no place for its promises',
    { ...two, config: { upstream }, replicas: 1 },
    /persistence\.enabled: without/,
  ],
  ['there are no rules', { ...two, rules: {} }, /rules: give the rules/],
  [
    'there are rules twice',
    { ...two, existingRulesConfigMap: 'ours' },
    /rules: they are in existingRulesConfigMap/,
  ],
  [
    'each would sign with a key of its own',
    { ...two, config: { ...two.config, ...builtin } },
    /secrets\.signingKey: /,
  ],
  ['the ingress has no name', { ...two, ingress: { enabled: true } }, /ingress\.host: give the name/],
  ['a value is misspelled', { ...two, replica: 3 }, /replica' not allowed/],
  ['a value is of another type', { ...two, replicas: 'two' }, /got string, want integer/],
  [
    'a key of tagwarden.yaml is misspelled',
    { ...two, config: { upstream, redis, claim: {} } },
    /claim' not allowed/,
  ],
  [
    'a key is the chart’s own',
    { ...two, config: { upstream, redis, listen: '127.0.0.1:80' } },
    /listen' not allowed/,
  ],
  [
    'a rule is misspelled',
    { ...two, rules: { tag_rules: [{ tag_name_pattern: 'v', imutable: true }] } },
    /imutable' not allowed/,
  ],
] as const)
  t.test(`refused where ${why}`, (t) => {
    t.match(renderChart(values), { refused: says });
    t.end();
  });
