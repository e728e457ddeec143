import type { Logger } from 'pino';
import { announcedTo } from '../adapters/announced-changes.ts';
import { wallClock } from '../adapters/clock.ts';
import { CountedClaims } from '../adapters/counted-claims.ts';
import { noticedChanges } from '../adapters/noticed-changes.ts';
import type { ServerTls } from '../adapters/tls/server-tls.ts';
import type { Upstream } from '../adapters/upstream.ts';
import type { ServingReport } from '../adapters/workers/worker-port.ts';
import type { Config } from '../config/config.ts';
import type { Notices } from '../core/notices.ts';
import type { Clock, RuleSource } from '../core/ports.ts';
import type { ExplainPorts } from '../http/api/explain.ts';
import { trustedProxies, type Addressing } from '../http/forwarded.ts';
import { passthrough } from '../http/passthrough.ts';
import type { Running } from '../http/running.ts';
import { registryServer } from '../http/server.ts';
import { Traffic } from '../http/traffic.ts';
import { wireAnswers } from './answers.ts';
import { wireAuth, type Auth, type SharedAuth } from './auth.ts';
import type { Ending } from './ending.ts';
import { wireFacts } from './facts.ts';
import { keepingOf, wireLimits } from './limits.ts';
import type { Listener } from './listening.ts';
import { cacheMeasures, counting } from './measures.ts';
import { wireObserving } from './observing.ts';
import { ownAccount } from './own-account.ts';
import type { Kept } from './store.ts';
import { openServerTls } from './tls.ts';
import { openTracing } from './tracing.ts';
import { openUpstream, type OpenUpstream } from './upstream.ts';
import type { Witnesses } from './witnesses.ts';

/** What each process has. */
interface Surroundings {
  readonly clock: Clock;
  readonly log: Logger;
  readonly audit: Witnesses | undefined;
  readonly ending: Ending;
  /** For what keeps copies of what others may change. */
  readonly notices: Notices;
  readonly shared?: SharedAuth | undefined;
  readonly ticketKeys?: Buffer | undefined;
}

export interface Serving {
  readonly server: Listener;
  readonly running: Running;
  readonly auth: Auth;
  readonly upstream: Upstream;
  readonly tls: ServerTls | undefined;
  readonly explain: ExplainPorts;
  readonly report: () => ServingReport;
  /** As App.reopen(). */
  readonly reopen: () => void;
}

/** What serves clients in one process, and can explain what it would do. It does not listen yet. */
export async function wireServing(
  config: Config,
  store: Kept & { readonly rules: RuleSource },
  { clock, log, audit, ending, notices, shared, ticketKeys }: Surroundings,
): Promise<Serving> {
  const putDeadlineMs = config.claims.putDeadlineSeconds * 1000;
  const idleMs = config.upstream.idleTimeoutSeconds * 1000;
  const { walkSeconds, tagLimit } = config.deletes;

  const claims = new CountedClaims(store.claims);
  const { rules, tombstones, births, unlocks } = store;
  const tracing = await openTracing(config, { log, ending });
  const opened = await openUpstream(config.upstream, { log, spans: tracing?.spans });
  ending.add(() => opened.close());
  const { upstream } = opened;
  const tls = await openServerTls(config.tls, ticketKeys, { log, ending });
  const auth = await wireAuth(config.auth, { rules, upstream, clock: wallClock, log, shared });
  ending.add(() => {
    auth.close();
  });
  const account = auth.own ? undefined : await ownAccount(config.upstream, { upstream, clock, log });
  ending.add(() => account?.close());
  const own = auth.own ?? account;
  const { facts, needs, tamperings } = wireFacts({ ...store, upstream, own, clock, log, tagLimit, audit });
  const announcements = announcedTo([store.announcements, noticedChanges(notices)]);
  const { changes, answers } = await wireAnswers(config.cache, { clock, announcements, notices });

  /** By what requests are judged, and explained. */
  const judging = {
    ...{ rules, facts, needs, tombstones, births, unlocks, clock, putDeadlineMs },
    walkMs: walkSeconds * 1000,
  };
  const uploads = { seals: store.seals, closedPrefixes: config.passthrough.map(({ prefix }) => prefix) };
  const { observe, running, onLimit, measures } = wireObserving(config, { log, audit, tracing, ending });
  const addressing = addressingOf(config);
  const route = {
    registry: { ...judging, claims, upstream, changes, answers, uploads, idleMs, ...auth },
    tokens: auth.tokens,
    passthrough: passthrough(config.passthrough, upstream.origin, idleMs, opened.tls),
    ...{ addressing, observe, running, limits: wireLimits(config, log) },
    beginTrace: tracing?.begin,
  };
  const trusted = addressing.trustedProxies;
  const server = registryServer(route, keepingOf(config, { trusted, tls: tls?.forClients(), log, onLimit }));
  const counted = [claims, tamperings, cacheMeasures(answers), upstream.failures, store];
  const told = [audit, tracing].flatMap((part) => (part ? [counting(part.counts)] : []));
  const measuring = [new Traffic(server), ...counted, ...told];
  return {
    ...{ server, running, auth, upstream, tls },
    explain: { ...judging, own, lifting: judging, auth: config.auth },
    report: () => ({ needed: auth.readiness(), ...notesOf(store, tls, opened), ...measures(measuring) }),
    reopen: () => {
      audit?.reopen();
      void tls?.reload();
      void opened.tls?.reload();
    },
  };
}

function addressingOf({ publicUrl, trustedProxies: networks }: Config): Addressing {
  return {
    publicUrl: publicUrl === undefined ? undefined : new URL(publicUrl),
    trustedProxies: trustedProxies(networks),
  };
}

function notesOf(store: Kept, tls: ServerTls | undefined, upstream: OpenUpstream): ReturnType<Kept['notes']> {
  const { noted, sinceMs } = store.notes();
  return {
    noted: { ...noted, ...doubts({ tls: tls?.doubt(), upstream_tls: upstream.tls?.doubt() }) },
    sinceMs,
  };
}

/** Of the parts that have any. */
function doubts(parts: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(parts).filter((part): part is [string, string] => part[1] !== undefined),
  );
}
