import { added, merged } from '../core/metric-families.ts';
import { nothingMeasured, seriesOf, type Measures } from '../core/series.ts';
import type { AnswerCounts, ManifestAnswers } from '../http/manifest-answers.ts';

/** A part of a process that measures something. */
export interface Measuring {
  readonly measures: () => Measures;
}

export function measuresOf(parts: readonly Measuring[]): Measures {
  return parts.map((part) => part.measures()).reduce(bothOf, nothingMeasured);
}

export function bothOf(one: Measures, other: Measures): Measures {
  return { counts: added(one.counts, other.counts), levels: merged(one.levels, other.levels) };
}

/** A part that has nothing but counts. */
export function counting(counts: () => Measures['counts']): Measuring {
  return { measures: () => ({ counts: counts(), levels: {} }) };
}

/** @param answers undefined where nothing is answered from memory */
export function cacheMeasures(answers: Pick<ManifestAnswers, 'counts'> | undefined): Measuring {
  return { measures: () => (answers ? measuresOfAnswers(answers.counts) : nothingMeasured) };
}

function measuresOfAnswers(counts: AnswerCounts): Measures {
  return {
    counts: {
      [seriesOf('cache_reads', 'hit')]: counts.hits,
      [seriesOf('cache_reads', 'shared')]: counts.shared,
      [seriesOf('cache_reads', 'joined')]: counts.joined,
      [seriesOf('cache_reads', 'miss')]: counts.misses,
      [seriesOf('cache_reads', 'forwarded')]: counts.forwarded,
      cache_renewals: counts.renewals,
    },
    levels: { cache_entries: counts.entries, cache_bytes: counts.bytes },
  };
}
