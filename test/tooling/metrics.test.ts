import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { families } from '../../src/core/metric-families.ts';
import { ask } from '../fixtures/ask.ts';
import { blob, manifest, session, startFront } from '../fixtures/front.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { startRedis } from '../fixtures/redis.ts';
import { scrape, type Scrape } from '../fixtures/scrape.ts';
import { projectRoot } from '../fixtures/start.ts';

const read = (path: string): string => readFileSync(join(projectRoot, path), 'utf8');
const page = read('docs/metrics.md');

/** What a Tagwarden says that has all there is to say: Redis, names of repositories, a refusal, reads, writes. */
async function fullScrape(t: Test): Promise<Scrape> {
  const redis = await startRedis(t);
  const secretFile = join(temporaryDirectory(t), 'webhook.key');
  writeFileSync(secretFile, `whsec_${Buffer.alloc(32, 'k').toString('base64')}\n`);
  const { tagwarden, url } = await startFront(t, (_, res) => void res.end('x'), {
    rules:
      'repository_rules:\n  - { id: r, repository_path_pattern: frozen, minimum_access_level_for_push: no_access }\n',
    config: `webhooks: [{ url: 'http://127.0.0.1:9', secret_file: ${secretFile} }]\ntracing: { endpoint: 'http://127.0.0.1:9' }\n`,
    flags: ['--redis', redis.url, '--rules-publish', 'true', '--metrics-repositories', 'true'],
  });
  for (const path of [blob, manifest, '/v2/']) await ask(url + path);
  await ask(`${url}/v2/frozen/blobs/uploads/`, { method: 'POST' });
  await ask(url + session, { method: 'PATCH', body: Buffer.from('x') });
  return scrape(tagwarden.app.adminAddress);
}

/** The rows of a table, by the name in their first cell. */
function rowsOf(text: string): ReadonlyMap<string, readonly string[]> {
  const rows = [...text.matchAll(/^\| `(\w+)` *\|(.*)\|$/gm)];
  return new Map(
    rows.map(([, name = '', rest = '']) => [name, rest.split(/(?<!\\)\|/).map((cell) => cell.trim())]),
  );
}

t.test('docs/metrics.md is what there is, and what a scrape shows', async (t) => {
  const { types, help, samples } = await fullScrape(t);
  const wanted = Object.entries(families).map(([name, { type, labels = [], help }]): [string, string[]] => [
    `tagwarden_${name}`,
    [type, labels.map((label) => `\`${label}\``).join(', '), help],
  ]);
  t.strictSame([...rowsOf(page)], wanted);
  t.strictSame([...types.keys()], [...rowsOf(page).keys()], 'in that order');
  for (const [family, { type, help: said, labels = [] }] of Object.entries(families)) {
    const name = `tagwarden_${family}`;
    t.equal(types.get(name), type, name);
    t.equal(help.get(name), said, name);
    const ofFamily = samples.filter((sample) => sample.name.replace(/_(?:bucket|sum|count)$/, '') === name);
    t.ok(ofFamily.length > 0, `${name} has a value`);
    for (const { labels: given } of ofFamily)
      t.strictSame(
        Object.keys(given).filter((label) => label !== 'le'),
        labels,
        name,
      );
  }
});

interface Expression {
  readonly place: string;
  readonly text: string;
}

/** Every PromQL expression in a value, wherever it is. */
function expressionsIn(value: unknown, place: string): readonly Expression[] {
  if (typeof value !== 'object' || value === null) return [];
  const { title, alert, expr } = value as Readonly<Record<string, unknown>>;
  const named = [alert, title].find((name) => typeof name === 'string') ?? place;
  return [
    ...(typeof expr === 'string' ? [{ place: named, text: expr }] : []),
    ...Object.values(value).flatMap((part) => expressionsIn(part, named)),
  ];
}

const dashboard = JSON.parse(read('deploy/grafana/tagwarden.json')) as Readonly<Record<string, unknown>>;
const alerts = parse(read('deploy/prometheus/alerts.yml')) as {
  groups: { rules: { alert: string; expr: string; labels: { severity: string } }[] }[];
};
const variables = [...JSON.stringify(dashboard).matchAll(/label_values\((\w+), (\w+)\)/g)].map(
  ([, name = '', label = '']) => ({ place: 'a variable', text: `${name}{${label}=~""}` }),
);
/** What Prometheus itself adds to each series. */
const added = new Set(['instance', 'job']);

/** The names, and for each the labels that it is selected by: `name{label="value"}`. */
function selectorsIn(text: string): readonly { name: string; matchers: ReadonlyMap<string, string> }[] {
  return [...text.matchAll(/\b(tagwarden_\w+)(?:\{([^}]*)\})?/g)].map(([, name = '', matchers = '']) => ({
    name,
    matchers: new Map(
      [...matchers.matchAll(/(\w+)(?:=~|!=|!~|=)"([^"]*)"/g)].map(([, label = '', value = '']) => [
        label,
        value,
      ]),
    ),
  }));
}

function groupingsIn(text: string): readonly string[] {
  return [...text.matchAll(/\b(?:by|without|on|ignoring) \(([^)]*)\)/g)].flatMap(([, labels = '']) =>
    labels.split(',').map((label) => label.trim()),
  );
}

t.test('the dashboard and the alerts ask for what there is', async (t) => {
  const { samples } = await fullScrape(t);
  const labelsOf = new Map<string, Set<string>>();
  for (const { name, labels } of samples)
    labelsOf.set(name, new Set([...(labelsOf.get(name) ?? []), ...Object.keys(labels)]));
  const all = [...expressionsIn(dashboard, 'dashboard'), ...expressionsIn(alerts, 'alerts'), ...variables];
  t.ok(all.length > 50, `${all.length} expressions`);
  const used = new Set<string>();
  for (const { place, text } of all) {
    const selectors = selectorsIn(text);
    t.ok(selectors.length > 0, `${place}: ${text}`);
    for (const { name, matchers } of selectors) {
      used.add(name.replace(/_(?:bucket|sum|count)$/, ''));
      t.ok(labelsOf.has(name), `${place}: ${name} exists`);
      for (const [label, values] of matchers) {
        if (added.has(label)) continue;
        t.ok(labelsOf.get(name)?.has(label), `${place}: ${name} has ${label}`);
        if (/^[\w|]+$/.test(values))
          for (const value of values.split('|'))
            t.match(page, new RegExp(`\\b${value}\\b`), `${place}: docs/metrics.md knows ${label} ${value}`);
      }
    }
    const known = new Set([...added, ...selectors.flatMap(({ name }) => [...(labelsOf.get(name) ?? [])])]);
    for (const label of groupingsIn(text)) t.ok(known.has(label), `${place}: groups by ${label}`);
  }
  const missing = Object.keys(families).filter((name) => !used.has(`tagwarden_${name}`));
  t.strictSame(missing, [], 'nothing is measured that nobody is shown');
});

t.test('a legend names labels that its expression keeps', (t) => {
  const targets = [
    ...JSON.stringify(dashboard).matchAll(/"expr":("(?:[^"\\]|\\.)*"),"legendFormat":"([^"]*)"/g),
  ];
  t.ok(targets.length > 40, `${targets.length} targets`);
  for (const [, text = '', legend = ''] of targets) {
    const expression = JSON.parse(text) as string;
    const kept = [
      ...groupingsIn(expression),
      ...(/\b(?:sum|max|min|count)\b/.test(expression) ? [] : ['instance']),
    ];
    for (const [, label = ''] of legend.matchAll(/\{\{(\w+)\}\}/g))
      t.ok(kept.includes(label), `${legend}: ${expression}`);
  }
  t.end();
});

t.test('docs/operations.md says of each alert what to do', (t) => {
  const rows = rowsOf(read('docs/operations.md'));
  const rules = alerts.groups.flatMap(({ rules }) => rules);
  t.ok(rules.length > 10);
  for (const { alert, labels } of rules) t.equal(rows.get(alert)?.[0], labels.severity, alert);
  t.strictSame(
    [...rows.keys()].filter((name) => name.startsWith('Tagwarden')),
    rules.map(({ alert }) => alert),
  );
  t.end();
});
