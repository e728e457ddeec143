import { UpstreamReach, type Reach } from '../adapters/upstream-reach.ts';
import type { Upstream } from '../adapters/upstream.ts';
import type { ServingReport } from '../adapters/workers/worker-port.ts';
import type { Clock, RuleSource } from '../core/ports.ts';
import type { Part, Readiness } from '../http/admin.ts';
import type { Door } from './door.ts';

interface Parts {
  readonly store: { readonly rules: RuleSource };
  readonly door: Pick<Door, 'report'>;
  readonly upstream: Upstream;
  readonly clock: Clock;
}

export interface ReadinessReader {
  /** @param reporting what the door says of itself, where that has been asked already */
  read(reporting?: Promise<ServingReport>): Promise<Readiness>;
  /** From now on it is not ready, whatever else is well. */
  drains(): void;
}

type States = Readonly<Record<string, string>>;

export function readinessReader({ store, door, upstream, clock }: Parts): ReadinessReader {
  const upstreamReach = new UpstreamReach(upstream, clock);
  const aged = ageing(clock);
  let isDraining = false;
  return {
    read: async (reporting = door.report()) => {
      const [report, reach] = await Promise.all([reporting, upstreamReach.look()]);
      const { needed, noted } = statesOf(report, reach, store.rules.doubt());
      return { isDraining, needed: aged(needed, report), noted: aged(noted, report) };
    },
    drains: () => {
      isDraining = true;
    },
  };
}

/**
 * An upstream that was never reached may be the wrong one: nobody is sent here. One that goes away goes away for all
 * replicas, and to take them all out would end what is answered from memory too.
 */
function statesOf(
  { needed, noted, counts }: ServingReport,
  { state: upstream, wasReached }: Reach,
  rulesDoubt: string | undefined,
): { readonly needed: States; readonly noted: States } {
  const { tamperings = 0, warned = 0 } = counts;
  return {
    needed: { rules: rulesDoubt ?? 'ok', ...(!wasReached && { upstream }), ...needed },
    noted: {
      ...(wasReached && { upstream }),
      ...noted,
      ...(tamperings > 0 && { tampering: `seen ${tamperings} times` }),
      ...(warned > 0 && { warned: `of ${warned} writes` }),
    },
  };
}

/** Since when each part is as it is: as it says itself, or since it was first seen to be so. */
function ageing(clock: Clock): (states: States, report: ServingReport) => Readonly<Record<string, Part>> {
  const seen = new Map<string, { readonly state: string; readonly sinceMs: number }>();
  return (states, { sinceMs: said }) => {
    const nowMs = clock.nowMs();
    const parts = Object.entries(states).map(([name, state]): [string, Part] => {
      const before = seen.get(name);
      const is = before?.state === state ? before : { state, sinceMs: nowMs };
      seen.set(name, is);
      const sinceMs = said[name] ?? is.sinceMs;
      return [name, { state, seconds: Math.max(0, Math.round((nowMs - sinceMs) / 1000)) }];
    });
    return Object.fromEntries(parts);
  };
}
