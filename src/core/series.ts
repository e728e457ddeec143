import { copied } from './recently-used.ts';

/** Numbers by series: a name alone, or with the values of its labels, as `seriesOf` puts them together. */
export type Series = Readonly<Record<string, number>>;

const separator = '\n';

/** What a process says of itself. */
export interface Measures {
  /** Since it started: they only ever grow. */
  readonly counts: Series;
  /** As of now. */
  readonly levels: Series;
}

export const nothingMeasured: Measures = { counts: {}, levels: {} };

/** A name, and the values of its labels in the order in which its family declares them. */
export function seriesOf(name: string, ...values: readonly (string | number)[]): string {
  return [name, ...values.map((value) => String(value).replaceAll(separator, ' '))].join(separator);
}

export function readSeries(series: string): { readonly name: string; readonly values: readonly string[] } {
  const [name = '', ...values] = series.split(separator);
  return { name, values };
}

/** All values of a label beyond those that are told apart. */
export const other = 'other';
/** So many are, of a label whose values others choose. */
export const valueLimit = 200;

/** Counts by something that others choose, and so could make as many of as they like. */
export class BoundedCounts {
  readonly #counts = new Map<string, number>();

  add(value: string): void {
    const before = this.#counts.get(value);
    if (before !== undefined) this.#counts.set(value, before + 1);
    else if (this.#counts.size < valueLimit) this.#counts.set(copied(value), 1);
    else this.#counts.set(other, (this.#counts.get(other) ?? 0) + 1);
  }

  /** By series of this name, whose last label has what was counted. */
  series(name: string, ...values: readonly string[]): Series {
    return Object.fromEntries(
      [...this.#counts].map(([value, count]) => [seriesOf(name, ...values, value), count]),
    );
  }
}

/** How many values were at most so large, and their sum. */
export class Histogram {
  readonly #bounds: readonly number[];
  /** One for each bound, and one for all that is larger. */
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds ascending */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = [...bounds, Infinity].map(() => 0);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] ?? 0)) at += 1;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += value;
  }

  /** Cumulative, as Prometheus has them: after the labels the bound, `+Inf` for all, `sum` for their sum. */
  series(name: string, ...values: readonly string[]): Series {
    const series: Record<string, number> = {};
    let count = 0;
    for (const [at, own] of this.#counts.entries()) {
      count += own;
      series[seriesOf(name, ...values, this.#bounds[at] ?? '+Inf')] = count;
    }
    series[seriesOf(name, ...values, 'sum')] = this.#sum;
    return series;
  }
}
