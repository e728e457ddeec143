import type { ServingReport } from '../adapters/workers/worker-port.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../core/ports.ts';
import type { RuleSet } from '../core/rule.ts';
import { seriesOf, type Measures, type Series } from '../core/series.ts';
import type { MetricsPage } from '../http/admin.ts';
import type { Door } from './door.ts';
import { bothOf } from './measures.ts';
import type { Serving } from './serving.ts';
import type { Store } from './store.ts';
import { versionOnDisk } from './version.ts';

interface Measured {
  readonly config: Pick<Config, 'workers'>;
  readonly rules: Store['rules'];
  readonly door: Door;
  /** Of this process, which serves no client itself; undefined: it does, and is the door. */
  readonly besides: Pick<Serving, 'report'> | undefined;
  readonly clock: Clock;
  /** By what the door says of itself. */
  readonly isReady: (report: Promise<ServingReport>) => Promise<boolean>;
}

/** What `/metrics` shows: of all processes together, in the names of docs/metrics.md. */
export function metricsOf({ config, rules, door, besides, clock, isReady }: Measured): MetricsPage {
  // On the disk there may be another one later.
  const version = versionOnDisk();
  return async () => {
    const reporting = door.report();
    const [report, isOk] = await Promise.all([reporting, isReady(reporting)]);
    const own: Measures = {
      counts: { worker_deaths: 0, rules_failed_reloads: rules.failedReloads },
      levels: {
        ...{ ready: isOk ? 1 : 0, workers: config.workers, workers_serving: 0 },
        ...rulesLevels(rules.current()),
        ...(rules.inForceSinceMs !== undefined && {
          rules_age_seconds: Math.max(0, clock.nowMs() - rules.inForceSinceMs) / 1000,
        }),
        [seriesOf('build_info', version, process.version)]: 1,
      },
    };
    // It takes as long to load as much of what serves, and most never ask.
    const { exposition } = await import('../adapters/prometheus.ts');
    return exposition([report, ...(besides ? [besides.report()] : [])].reduce(bothOf, own));
  };
}

function rulesLevels({ version, repositoryRules, tagRules, members, watched }: RuleSet): Series {
  const immutable = tagRules.filter(({ kind }) => kind === 'immutable').length;
  const warning = watched ? watched.repositoryRules.length + watched.tagRules.length : 0;
  const kinds = {
    repository: repositoryRules.length,
    tag_protected: tagRules.length - immutable,
    tag_immutable: immutable,
    warning,
    members: members.length,
  };
  return {
    ...Object.fromEntries(Object.entries(kinds).map(([kind, count]) => [seriesOf('rules', kind), count])),
    [seriesOf('rules_info', version)]: 1,
  };
}
