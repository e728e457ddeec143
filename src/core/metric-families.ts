import { other, readSeries, seriesOf, valueLimit, type Series } from './series.ts';

/** What is measured, for whoever looks at it. */
export interface Family {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels?: readonly string[];
  /** Of several processes; absent: they are added up. */
  readonly merge?: 'max' | 'min';
  /** Its last label has values that others choose. */
  readonly isBounded?: true;
}

/** Every family, by its name without `tagwarden_`; docs/metrics.md says the same. */
export const families: Readonly<Record<string, Family>> = {
  requests_total: {
    type: 'counter',
    help: 'Requests that are over, by what was asked, what became of it, and the status of the answer (none: there was none).',
    labels: ['operation', 'verdict', 'status'],
  },
  refusals_total: {
    type: 'counter',
    help: 'Writes that were denied or left undecided because of a rule, by the id of the rule; after 200 ids: other.',
    labels: ['verdict', 'rule'],
    isBounded: true,
  },
  repository_refusals_total: {
    type: 'counter',
    help: 'The same by repository, with metrics.repositories; after 200 repositories: other.',
    labels: ['verdict', 'repository'],
    isBounded: true,
  },
  request_own_seconds: {
    type: 'histogram',
    help: 'How long Tagwarden itself took until its answer began: without the time in which the upstream or the client was waited for.',
    labels: ['operation'],
  },
  request_upstream_seconds: {
    type: 'histogram',
    help: 'How long the upstream was waited for until the answer began, look-ups included, of requests for which it was asked.',
    labels: ['operation'],
  },
  requests_open: {
    type: 'gauge',
    help: 'Requests under way, by what they wait for: own work, the upstream, a client that sends (client), or one that is being sent its answer (answering).',
    labels: ['operation', 'phase'],
  },
  connections_open: { type: 'gauge', help: 'Connections of clients that are open.' },
  received_bytes_total: {
    type: 'counter',
    help: 'Bytes that clients sent, heads and TLS included.',
  },
  sent_bytes_total: {
    type: 'counter',
    help: 'Bytes that clients were sent, heads and TLS included.',
  },
  limited_total: {
    type: 'counter',
    help: 'Requests answered with 429, connections and bodies ended, because of a limit, by the key in limits.',
    labels: ['limit'],
  },
  tamperings_total: {
    type: 'counter',
    help: 'Tags under an immutable rule that were seen to have changed behind our back.',
  },
  warned_total: {
    type: 'counter',
    help: 'Writes that passed, and that a rule with enforcement: warn would have refused.',
  },
  unlocked_total: {
    type: 'counter',
    help: 'Writes that were let through by an unlock, and would have been denied without.',
  },
  claims_total: {
    type: 'counter',
    help: 'Attempts to reserve a tag for a push, by outcome: held, or taken, crowded, marked, quarantined, or away where the store could not be asked.',
    labels: ['outcome'],
  },
  claims_open: {
    type: 'gauge',
    help: 'Pushes that hold a claim now.',
  },
  cache_reads_total: {
    type: 'counter',
    help: 'Reads of manifests, by outcome: hit and shared from memory; joined with what was asked for several at once, of a tag that may move; miss asked the upstream for what may be kept; forwarded went past.',
    labels: ['outcome'],
  },
  cache_renewals_total: {
    type: 'counter',
    help: 'Kept answers that the upstream confirmed.',
  },
  cache_entries: { type: 'gauge', help: 'Answers that are kept.' },
  cache_bytes: { type: 'gauge', help: 'The memory that kept answers take.' },
  upstream_errors_total: {
    type: 'counter',
    help: 'What went wrong with the upstream, by kind: unreachable, silent (no answer in time), cut (the connection ended before the answer did), answered_5xx.',
    labels: ['kind'],
  },
  redis_up: { type: 'gauge', help: 'Whether Redis answers: 1, or 0.', merge: 'min' },
  redis_errors_total: {
    type: 'counter',
    help: 'What went wrong with Redis, by kind: away (no connection, or no answer in time), refused (an answer that is an error).',
    labels: ['kind'],
  },
  ready: { type: 'gauge', help: 'What /readyz says: 1 for 200, 0 for 503.' },
  webhook_events_total: {
    type: 'counter',
    help: 'Events for webhooks, by outcome: sent, failed (refused, or tried in vain), dropped because too many waited.',
    labels: ['outcome'],
  },
  trace_spans_total: {
    type: 'counter',
    help: 'Spans of traces, by outcome: exported, or dropped because the collector did not take them.',
    labels: ['outcome'],
  },
  rules: {
    type: 'gauge',
    help: 'Rules in force, by kind: repository, tag_protected, tag_immutable, warning (those that only warn), and members.',
    labels: ['kind'],
  },
  rules_info: { type: 'gauge', help: 'Always 1; the version of the rules in force.', labels: ['version'] },
  rules_age_seconds: { type: 'gauge', help: 'How long the rules in force have been so here.' },
  rules_failed_reloads_total: {
    type: 'counter',
    help: 'How often what the rules had become could not be taken; the last good ones stay in force.',
  },
  workers: { type: 'gauge', help: 'How many processes are to serve clients.' },
  workers_serving: { type: 'gauge', help: 'How many of them do, and said so in time.' },
  worker_deaths_total: { type: 'counter', help: 'Workers that ended though nobody had asked for it.' },
  process_cpu_seconds_total: { type: 'counter', help: 'Processor time, user and system, of all processes.' },
  process_resident_memory_bytes: { type: 'gauge', help: 'Resident memory, of all processes.' },
  event_loop_lag_seconds: {
    type: 'gauge',
    help: 'How late the event loop was lately, in the process where it was latest: in one of two moments (percentile 50), and in one of a hundred (99).',
    labels: ['percentile'],
    merge: 'max',
  },
  event_loop_active_seconds_total: {
    type: 'counter',
    help: 'How long event loops had something to do, of all processes: one that gains a second each second is at its end.',
  },
  build_info: { type: 'gauge', help: 'Always 1; what runs.', labels: ['version', 'node'] },
};

/** The family of what is counted under this name: counters are counted without `_total`. */
export function familyOf(name: string): readonly [name: string, family: Family] {
  const family = families[name];
  if (family) return [name, family];
  const counter = `${name}_total`;
  return [
    counter,
    families[counter] ?? { type: 'counter', help: `How often: ${name.replaceAll('_', ' ')}.` },
  ];
}

/** Of counts: the sum of both. */
export function added(one: Series, more: Series): Series {
  const sums = { ...one };
  for (const [name, count] of Object.entries(more)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}

/** Of what is measured now, in two processes. */
export function merged(one: Series, more: Series): Series {
  const all = { ...one };
  for (const [series, value] of Object.entries(more)) {
    const before = all[series];
    const { merge } = familyOf(readSeries(series).name)[1];
    if (before === undefined) all[series] = value;
    else all[series] = merge ? Math[merge](before, value) : before + value;
  }
  return all;
}

/**
 * Of counts of one that is gone, to those of others who are: however many there were, no label has more values than one
 * process may have.
 */
export function handedDown(before: Series, last: Series): Series {
  const sums = { ...before };
  const found = new Map<string, number>();
  for (const series of Object.keys(before))
    found.set(siblings(series), (found.get(siblings(series)) ?? 0) + 1);
  for (const [series, count] of Object.entries(last)) {
    const all = siblings(series);
    const isNew = !(series in sums);
    const isBeyond = isNew && isBounded(series) && (found.get(all) ?? 0) >= valueLimit;
    if (isNew && !isBeyond) found.set(all, (found.get(all) ?? 0) + 1);
    const key = isBeyond ? `${all}${seriesOf('', other)}` : series;
    sums[key] = (sums[key] ?? 0) + count;
  }
  return sums;
}

/** What a series has in common with those that differ in the last label alone. */
function siblings(series: string): string {
  const { name, values } = readSeries(series);
  return seriesOf(name, ...values.slice(0, -1));
}

function isBounded(series: string): boolean {
  return familyOf(readSeries(series).name)[1].isBounded === true;
}
