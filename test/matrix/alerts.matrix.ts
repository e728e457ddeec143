import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { ask } from '../fixtures/ask.ts';
import { blob, manifest, startFront } from '../fixtures/front.ts';
import { runProgram, temporaryDirectory } from '../fixtures/program.ts';
import { scrape } from '../fixtures/scrape.ts';
import { projectRoot } from '../fixtures/start.ts';

const alerts = join(projectRoot, 'deploy/prometheus/alerts.yml');

/** Series → their values each minute, in promtool's notation; the alerts that fire after so many minutes. */
interface Case {
  readonly what: string;
  readonly series: Readonly<Record<string, string>>;
  readonly fires: readonly string[];
}

const well = {
  'tagwarden_ready{instance="a"}': '1x60',
  'tagwarden_redis_up{instance="a"}': '1x60',
  'tagwarden_workers{instance="a"}': '2x60',
  'tagwarden_workers_serving{instance="a"}': '2x60',
  'tagwarden_worker_deaths_total{instance="a"}': '0x60',
  'tagwarden_tamperings_total{instance="a"}': '0x60',
  'tagwarden_rules_failed_reloads_total{instance="a"}': '3x60',
  'tagwarden_rules_info{instance="a",version="1"}': '1x60',
  'tagwarden_requests_total{instance="a",verdict="allowed"}': '0+600x60',
  'tagwarden_requests_total{instance="a",verdict="failed"}': '0+1x60',
  'tagwarden_requests_total{instance="a",verdict="undecided"}': '0x60',
  'tagwarden_upstream_errors_total{instance="a",kind="cut"}': '0+1x60',
  'tagwarden_request_own_seconds_bucket{operation="getManifest",le="0.1"}': '0+600x60',
  'tagwarden_request_own_seconds_bucket{operation="getManifest",le="1"}': '0+600x60',
  'tagwarden_request_own_seconds_bucket{operation="getManifest",le="+Inf"}': '0+600x60',
  'tagwarden_request_upstream_seconds_bucket{operation="getManifest",le="5"}': '0+600x60',
  'tagwarden_request_upstream_seconds_bucket{operation="getManifest",le="10"}': '0+600x60',
  'tagwarden_request_upstream_seconds_bucket{operation="getManifest",le="+Inf"}': '0+600x60',
};

const but = (series: Case['series']): Case['series'] => ({ ...well, ...series });
const slow = (name: string, fast: string): Case['series'] =>
  but({ [`${name}{operation="getManifest",le="${fast}"}`]: '0+500x60' });

const cases: readonly Case[] = [
  { what: 'all is well', series: well, fires: [] },
  { what: 'nothing is there', series: {}, fires: ['TagwardenAbsent'] },
  {
    what: 'not ready',
    series: but({ 'tagwarden_ready{instance="a"}': '0x60' }),
    fires: ['TagwardenNotReady'],
  },
  {
    what: 'tampering',
    series: but({ 'tagwarden_tamperings_total{instance="a"}': '0x20 1x40' }),
    fires: ['TagwardenTamperingSeen'],
  },
  {
    what: 'a broken file',
    series: but({ 'tagwarden_rules_failed_reloads_total{instance="a"}': '3x20 4x40' }),
    fires: ['TagwardenRulesReloadFailed'],
  },
  {
    what: 'other rules here and there',
    series: but({ 'tagwarden_rules_info{instance="b",version="2"}': '1x60' }),
    fires: ['TagwardenRulesDiffer'],
  },
  {
    what: 'undecided',
    series: but({ 'tagwarden_requests_total{instance="a",verdict="undecided"}': '0+1x60' }),
    fires: ['TagwardenUndecidedWrites'],
  },
  {
    what: 'failing',
    series: but({ 'tagwarden_requests_total{instance="a",verdict="failed"}': '0+60x60' }),
    fires: ['TagwardenRequestsFail'],
  },
  {
    what: 'the upstream',
    series: but({ 'tagwarden_upstream_errors_total{instance="a",kind="cut"}': '0+30x60' }),
    fires: ['TagwardenUpstreamErrors'],
  },
  {
    what: 'redis',
    series: but({ 'tagwarden_redis_up{instance="a"}': '0x60' }),
    fires: ['TagwardenRedisDown'],
  },
  {
    what: 'a worker is missing',
    series: but({ 'tagwarden_workers_serving{instance="a"}': '1x60' }),
    fires: ['TagwardenWorkersMissing'],
  },
  {
    what: 'workers die',
    series: but({ 'tagwarden_worker_deaths_total{instance="a"}': '0+1x60' }),
    fires: ['TagwardenWorkerDies'],
  },
  {
    what: 'webhooks fail',
    series: but({ 'tagwarden_webhook_events_total{instance="a",outcome="failed"}': '0+1x60' }),
    fires: ['TagwardenWebhooksFail'],
  },
  { what: 'slow', series: slow('tagwarden_request_own_seconds_bucket', '0.1'), fires: ['TagwardenSlow'] },
  {
    what: 'a slow upstream',
    series: slow('tagwarden_request_upstream_seconds_bucket', '5'),
    fires: ['TagwardenUpstreamSlow'],
  },
];

t.test('promtool takes the alerts', async (t) => {
  const { output, exitCode } = await runProgram('promtool', ['check', 'rules', alerts]);
  t.equal(exitCode, 0, output);
  t.match(output, new RegExp(`SUCCESS: ${cases.length - 1} rules found`), 'and each has a case here');
});

t.test('and what /metrics says', async (t) => {
  const { tagwarden, url } = await startFront(t, (_, res) => void res.end('x'));
  for (const path of [blob, manifest]) await ask(url + path);
  const { text } = await scrape(tagwarden.app.adminAddress);
  const { output, exitCode } = await runProgram('promtool', ['check', 'metrics'], {
    input: Buffer.from(text),
  });
  t.equal(exitCode, 0, output);
});

t.test('each fires when it should, and no other', async (t) => {
  const file = join(temporaryDirectory(t), 'cases.yml');
  const tests = cases.map(({ what, series, fires }) => ({
    name: what,
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [
      {
        expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
        eval_time: '30m',
        exp_samples: fires.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
      },
    ],
  }));
  writeFileSync(file, stringify({ rule_files: [alerts], evaluation_interval: '1m', tests }));
  const { output, exitCode } = await runProgram('promtool', ['test', 'rules', file]);
  t.equal(exitCode, 0, output);
});
