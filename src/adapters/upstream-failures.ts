import { Readable } from 'node:stream';
import { seriesOf, type Measures } from '../core/series.ts';

const kinds = ['unreachable', 'silent', 'cut', 'answered_5xx'] as const;
/**
 * `unreachable`: nothing of it was sent; `silent`: no answer in time; `cut`: the connection ended before the answer did;
 * `answered_5xx`: an answer that says so itself.
 */
export type UpstreamFailureKind = (typeof kinds)[number];

/** How often the upstream failed, whoever asked it what. */
export class UpstreamFailures {
  readonly #counts: Record<UpstreamFailureKind, number> = {
    unreachable: 0,
    silent: 0,
    cut: 0,
    answered_5xx: 0,
  };

  count(kind: UpstreamFailureKind): void {
    this.#counts[kind] += 1;
  }

  /** @param body what was sent: where it is its sender who went away, nothing is wrong with the upstream */
  unanswered(isSent: boolean, body: unknown): void {
    if (body instanceof Readable && body.errored) return;
    this.count(isSent ? 'cut' : 'unreachable');
  }

  answered(status: number): void {
    if (status >= 500) this.count('answered_5xx');
  }

  measures(): Measures {
    const counts = Object.fromEntries(
      kinds.map((kind) => [seriesOf('upstream_errors', kind), this.#counts[kind]]),
    );
    return { counts, levels: {} };
  }
}
