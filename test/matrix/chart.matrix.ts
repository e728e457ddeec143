import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  admits,
  namespace,
  one,
  podOf,
  rendered,
  type KubernetesObject,
  type PodOf,
} from '../fixtures/chart.ts';
import { kept, prometheus, registryPods, two, upstream, valueSets } from '../fixtures/chart-values.ts';
import { projectRoot } from '../fixtures/start.ts';

// deploy/helm/tagwarden, rendered by Helm's engine: what the objects are and do.

t.test('two replicas, kept apart, asked how they are, and never all away', (t) => {
  const { objects } = rendered(two);
  const probe = (path: string): object => ({ httpGet: { path, port: 'admin', scheme: 'HTTP' } });
  t.match(one(objects, 'Deployment').spec, {
    replicas: 2,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    template: {
      spec: {
        // preStop, the drain, and a little.
        terminationGracePeriodSeconds: 80,
        containers: [
          {
            startupProbe: probe('/livez'),
            livenessProbe: probe('/livez'),
            readinessProbe: probe('/readyz'),
            lifecycle: { preStop: { exec: { command: ['sleep', '5'] } } },
            ports: [
              { name: 'door', containerPort: 8080 },
              { name: 'admin', containerPort: 9090 },
            ],
          },
        ],
        topologySpreadConstraints: [
          { topologyKey: 'kubernetes.io/hostname' },
          { topologyKey: 'topology.kubernetes.io/zone' },
        ],
      },
    },
  });
  const budget = one(objects, 'PodDisruptionBudget').spec;
  t.match(budget, { maxUnavailable: 1, selector: { matchLabels: Object } });
  t.match(one(objects, 'Deployment').spec?.template?.metadata.labels, budget?.selector?.matchLabels);
  // The admin port is never beside the door, which may be published.
  t.match(one(objects, 'Service').spec, { ports: [{ port: 80, targetPort: 'door' }] });
  t.match(one(objects, 'Service', 'tagwarden-admin').spec, {
    type: 'ClusterIP',
    ports: [{ targetPort: 'admin' }],
  });
  const kinds = objects.map(({ kind }) => kind);
  for (const kind of ['HorizontalPodAutoscaler', 'ServiceMonitor', 'Ingress', 'PersistentVolumeClaim'])
    t.notOk(kinds.includes(kind), `no ${kind} unless asked for`);
  t.end();
});

t.test('what may be asked for', (t) => {
  const { objects } = rendered(valueSets['all that there is']);
  const deployment = one(objects, 'Deployment');
  t.notMatch(deployment.spec, { replicas: Number }, 'the autoscaler says how many');
  t.match(one(objects, 'HorizontalPodAutoscaler').spec, {
    scaleTargetRef: { kind: 'Deployment', name: deployment.metadata.name },
    minReplicas: 2,
  });
  const { selector } = one(objects, 'ServiceMonitor').spec ?? {};
  t.match(one(objects, 'Service', 'tagwarden-admin').metadata.labels, selector?.matchLabels);
  t.notMatch(one(objects, 'Service').metadata.labels, selector?.matchLabels, 'and no other port');
  t.match(one(objects, 'Ingress').spec, {
    rules: [{ host: 'registry.example', http: { paths: [{ backend: { service: { name: 'tagwarden' } } }] } }],
  });
  t.match(podOf(objects).containers, [{ image: /^registry\.example\/tagwarden@sha256:0+$/ }]);
  t.end();
});

t.test('one without Redis: never two at once, and what it has promised outlives it', (t) => {
  const { objects } = rendered(valueSets['one that keeps to itself']);
  t.match(one(objects, 'Deployment').spec, { replicas: 1, strategy: { type: 'Recreate' } });
  t.match(podOf(objects).volumes, [
    {},
    {},
    { name: 'state', persistentVolumeClaim: { claimName: 'tagwarden' } },
  ]);
  t.match(one(objects, 'PersistentVolumeClaim').metadata, {
    annotations: { 'helm.sh/resource-policy': 'keep' },
  });
  t.end();
});

t.test('only Tagwarden reaches the registry, and the admin port only who is listed', (t) => {
  const anybody: PodOf = { namespace, labels: { app: 'anybody' } };
  const registry: PodOf = { namespace: 'images', labels: { ...registryPods, more: 'x' } };
  const policiesOf = (values: object): readonly KubernetesObject[] =>
    rendered({ ...two, ...values }).objects.filter(({ kind }) => kind === 'NetworkPolicy');
  const { objects } = rendered({ ...two, ...kept });
  const door: PodOf = { namespace, labels: one(objects, 'Deployment').spec?.template?.metadata.labels ?? {} };
  const test: PodOf = { namespace, labels: one(objects, 'Pod', 'tagwarden-direct').metadata.labels ?? {} };

  const policies = policiesOf(kept);
  t.ok(admits(policies, door, registry, 5000), 'Tagwarden reaches the registry');
  for (const [who, pod] of Object.entries({
    'anybody of its namespace': anybody,
    'anybody beside the registry': { ...anybody, namespace: 'images' },
    'the registry itself': registry,
    'the pod of helm test': test,
    'who has the labels of Tagwarden elsewhere': { ...door, namespace: 'elsewhere' },
  }))
    for (const port of [5000, 5001])
      t.notOk(admits(policies, pod, registry, port), `${who} does not (${port})`);
  t.ok(admits(policies, anybody, door, 'door'), 'the door is open');
  t.notOk(admits(policies, anybody, door, 'admin'), 'the admin port is not');
  t.notOk(admits(policies, { namespace: 'monitoring', labels: {} }, door, 'admin'));
  t.ok(
    admits(policiesOf({}), anybody, registry, 5000),
    'without its labels nothing is kept from the registry',
  );

  const listed = policiesOf({ networkPolicy: { adminFrom: [prometheus], doorFrom: [{ podSelector: {} }] } });
  const scraper: PodOf = { namespace: 'monitoring', labels: prometheus.podSelector.matchLabels };
  t.ok(admits(listed, scraper, door, 'admin'));
  t.notOk(admits(listed, { ...scraper, namespace }, door, 'admin'), 'both at once, not one of the two');
  t.notOk(admits(listed, { ...scraper, labels: {} }, door, 'admin'));
  t.notOk(admits(listed, scraper, door, 'door'), 'the door is for its namespace now');

  const shared = policiesOf({ networkPolicy: { redis: { podSelector: { app: 'valkey' } } } });
  const valkey: PodOf = { namespace, labels: { app: 'valkey' } };
  t.ok(admits(shared, door, valkey, 6379));
  t.ok(admits(shared, valkey, valkey, 6379), 'replicas of Redis reach each other');
  t.notOk(admits(shared, anybody, valkey, 6379));
  t.end();
});

t.test('the pod of helm test is admitted nowhere, and asks the registry', (t) => {
  const pod = one(rendered({ ...two, ...kept }).objects, 'Pod', 'tagwarden-direct');
  t.match(pod.spec, { containers: [{ args: [new RegExp(`${upstream.url}/v2/`)] }], restartPolicy: 'Never' });
  t.throws(() => one(rendered(two).objects, 'Pod', 'tagwarden-direct'), 'there is none where it would fail');
  t.end();
});

t.test('other rules are no reason to restart, another configuration is', (t) => {
  const pod = (values: object): unknown => one(rendered(values).objects, 'Deployment').spec;
  const stricter = { tag_rules: [{ id: 'all', tag_name_pattern: '.*', immutable: true }] };
  t.strictSame(pod({ ...two, rules: stricter }), pod(two));
  t.not(
    JSON.stringify(pod({ ...two, config: { ...two.config, log: { level: 'debug' } } })),
    JSON.stringify(pod(two)),
  );
  t.end();
});

t.test('the notes say how to push, and how to see that there is no other way', (t) => {
  t.match(
    rendered({ ...two, ...kept }).notes,
    /docker push localhost:8080\/[\s\S]+helm --namespace doors test tagwarden\n/,
  );
  t.match(rendered(two).notes, 'WARNING: nothing here keeps anybody from the registry');
  const { notes } = rendered(valueSets['all that there is']);
  t.match(notes, 'docker push registry.example/flightjs/flight:v1.0');
  t.end();
});

t.test('the chart is of the version of the package', (t) => {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  t.match(
    readFileSync(join(projectRoot, 'deploy/helm/tagwarden/Chart.yaml'), 'utf8'),
    `appVersion: ${version}\n`,
  );
  t.end();
});
