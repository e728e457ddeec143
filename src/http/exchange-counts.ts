import { STATUS_CODES, type ServerResponse } from 'node:http';
import { isWrite } from '../core/operation.ts';
import { BoundedCounts, Histogram, other, seriesOf, type Measures, type Series } from '../core/series.ts';
import { LimitReached } from './limits.ts';
import { Running } from './running.ts';
import type { Seen } from './server.ts';
import type { Phase } from './timing.ts';
import type { Asked } from './trail.ts';

type Operation = Asked | 'other';

type Verdict =
  /** It went on, or was answered from memory, whatever the registry says. */
  | 'allowed'
  /** The client went away first. */
  | 'aborted'
  /** No such thing can be asked, or is served here. */
  | 'invalid'
  | 'unauthorized'
  | 'limited'
  | 'denied'
  /** A write of which nobody can say whether it may pass. */
  | 'undecided'
  /** The upstream, or something else that was needed, is away. */
  | 'failed';

const phases: readonly Phase[] = ['own', 'upstream', 'client', 'answering'];
const limits = [
  ...['requests_per_second', 'uploads', 'uploads_per_caller'],
  ...['connections', 'connections_per_address', 'body_bytes_per_second'],
];

const ownBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const upstreamBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

interface OfOperation {
  /** By verdict, and by status. */
  readonly answers: Map<Verdict, Map<number, number>>;
  readonly own: Histogram;
  /** Undefined: it was never asked. */
  upstream: Histogram | undefined;
}

/** What became of exchanges, and what they took. To take note of one takes less than a microsecond. */
export class ExchangeCounts {
  /** Exchanges that are under way. */
  readonly running = new Running();
  readonly #operations = new Map<Operation, OfOperation>();
  readonly #rules = { denied: new BoundedCounts(), undecided: new BoundedCounts() };
  /** Undefined: their names are told to nobody. */
  readonly #repositories: { readonly denied: BoundedCounts; readonly undecided: BoundedCounts } | undefined;
  readonly #limits = new Map(limits.map((limit) => [limit, 0]));
  #unlocked = 0;

  constructor({ repositories }: { readonly repositories: boolean }) {
    if (repositories) this.#repositories = { denied: new BoundedCounts(), undecided: new BoundedCounts() };
  }

  take({ res }: { readonly res: ServerResponse }, seen: Seen): void {
    const { trail } = seen;
    const verdict = verdictOf(res, seen);
    const of = this.#of(trail.asks ?? 'other');
    const { ownMs, upstreamMs } = trail.timing;
    of.own.observe(ownMs / 1000);
    if (upstreamMs > 0) (of.upstream ??= new Histogram(upstreamBounds)).observe(upstreamMs / 1000);
    countIn(of, verdict, res.headersSent ? res.statusCode : 0);
    if (trail.unlocks.length > 0) this.#unlocked += 1;
    const { error } = seen;
    if (!error) return;
    if (error instanceof LimitReached) this.limited(error.limit);
    else if (verdict === 'denied' || verdict === 'undecided') this.#refused(verdict, seen);
  }

  /** @param limit the key of the configuration, as `limits.uploads` */
  limited(limit: string): void {
    const name = limit.replace(/^limits\./, '');
    this.#limits.set(name, (this.#limits.get(name) ?? 0) + 1);
  }

  measures(): Measures {
    const counts: Record<string, number> = { unlocked: this.#unlocked };
    for (const [operation, of] of this.#operations) Object.assign(counts, countsOf(operation, of));
    for (const verdict of ['denied', 'undecided'] as const) {
      Object.assign(counts, this.#rules[verdict].series('refusals', verdict));
      Object.assign(counts, this.#repositories?.[verdict].series('repository_refusals', verdict));
    }
    for (const [limit, count] of this.#limits) counts[seriesOf('limited', limit)] = count;
    return { counts, levels: this.#levels() };
  }

  #levels(): Series {
    const levels: Record<string, number> = {};
    for (const operation of this.#operations.keys())
      for (const phase of phases) levels[seriesOf('requests_open', operation, phase)] = 0;
    for (const { asks = 'other', timing } of this.running.all()) {
      const series = seriesOf('requests_open', asks, timing.phase);
      levels[series] = (levels[series] ?? 0) + 1;
    }
    return levels;
  }

  #refused(verdict: 'denied' | 'undecided', { trail: { judged }, error }: Seen): void {
    for (const id of error?.ruleIds ?? []) this.#rules[verdict].add(id);
    if (this.#repositories && judged && 'repository' in judged.operation)
      this.#repositories[verdict].add(judged.operation.repository);
  }

  #of(operation: Operation): OfOperation {
    const known = this.#operations.get(operation);
    if (known) return known;
    const of = { answers: new Map(), own: new Histogram(ownBounds), upstream: undefined };
    this.#operations.set(operation, of);
    return of;
  }
}

export function verdictOf({ writableEnded }: ServerResponse, { trail, error: thrown }: Seen): Verdict {
  const error = thrown ?? trail.failure;
  if (!error) return writableEnded ? 'allowed' : 'aborted';
  if (error instanceof LimitReached) return 'limited';
  if (error.code === 'DENIED') return 'denied';
  if (error.code === 'UNAUTHORIZED') return 'unauthorized';
  const isUnanswered = error.code === 'TOOMANYREQUESTS' || error.status === 503;
  if (isUnanswered && trail.judged && isWrite(trail.judged.operation)) return 'undecided';
  return error.status >= 500 ? 'failed' : 'invalid';
}

function countIn({ answers }: OfOperation, verdict: Verdict, status: number): void {
  let byStatus = answers.get(verdict);
  if (!byStatus) answers.set(verdict, (byStatus = new Map<number, number>()));
  byStatus.set(status, (byStatus.get(status) ?? 0) + 1);
}

/** A registry may answer with any number at all. */
function nameOf(status: number): string {
  if (status === 0) return 'none';
  return status in STATUS_CODES ? String(status) : other;
}

function countsOf(operation: Operation, { answers, own, upstream }: OfOperation): Series {
  const counts: Record<string, number> = {};
  for (const [verdict, byStatus] of answers)
    for (const [status, count] of byStatus) {
      const series = seriesOf('requests', operation, verdict, nameOf(status));
      counts[series] = (counts[series] ?? 0) + count;
    }
  return {
    ...counts,
    ...own.series('request_own_seconds', operation),
    ...upstream?.series('request_upstream_seconds', operation),
  };
}
