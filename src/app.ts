import type { Logger } from 'pino';
import { openAudit, type AuditFile } from './adapters/audit-file.ts';
import { steadyClock, wallClock } from './adapters/clock.ts';
import { SwitchFile } from './adapters/switch-file.ts';
import type { RulesChange } from './adapters/rules-in-force.ts';
import type { ImmutabilitySwitch } from './adapters/immutability-switch.ts';
import { wireAnswers } from './app/answers.ts';
import { wireApi } from './app/api.ts';
import { wireAuth, type Auth } from './app/auth.ts';
import { Ending } from './app/ending.ts';
import { wireFacts } from './app/facts.ts';
import { keepingOf, wireLimits } from './app/limits.ts';
import { listenAt, type Addresses } from './app/listening.ts';
import { ownAccount } from './app/own-account.ts';
import { openStore, type Store } from './app/store.ts';
import { openServerTls } from './app/tls.ts';
import { openUpstream } from './app/upstream.ts';
import type { Config } from './config/config.ts';
import type { Clock } from './core/ports.ts';
import { adminServer, type Readiness } from './http/admin.ts';
import { trustedProxies, type Addressing } from './http/forwarded.ts';
import { lookUpMs } from './http/look-up.ts';
import { observer } from './http/log.ts';
import { passthrough } from './http/passthrough.ts';
import { registryServer } from './http/server.ts';

export interface App extends Addresses {
  /** After a rotation: opens the files anew that are written to, and reads certificates and keys. */
  reopen(): void;
  close(): Promise<void>;
}

/** What a process is given by the one that started it. */
export interface Given {
  /** 48 bytes that seal TLS session tickets: processes of one machine that have the same resume each other's sessions. */
  readonly ticketKeys?: Buffer;
  /** Absent: the process's own, which runs steadily. */
  readonly clock?: Clock;
}

/**
 * Wires everything, and serves; where that fails nothing is left open.
 * @throws RulesRefused, and Error of node:fs or node:net where a file or an address cannot be had
 */
export async function startApp(config: Config, log: Logger, given: Given = {}): Promise<App> {
  const ending = new Ending();
  try {
    return { ...(await serve(config, given, log, ending)), close: () => ending.run() };
  } catch (error) {
    await ending.run();
    throw error;
  }
}

async function serve(config: Config, given: Given, log: Logger, ending: Ending): Promise<Omit<App, 'close'>> {
  const { clock = steadyClock } = given;
  const putDeadlineMs = config.claims.putDeadlineSeconds * 1000;
  const idleMs = config.upstream.idleTimeoutSeconds * 1000;
  const { url: origin } = config.upstream;
  const { walkSeconds, tagLimit } = config.deletes;

  const audit = startAudit(config.log, log, ending);
  const around = { clock, log, ending, onRules: audit && auditOfRules(audit) };
  const lifetimes = { leaseMs: lookUpMs, ttlMs: config.claims.ttlSeconds * 1000 };
  const store = await openStore(config, lifetimes, around);
  const { rules, claims, tombstones, births, unlocks } = store;
  watchSwitch(config, rules, log, ending);
  const opened = await openUpstream(config.upstream, { log });
  ending.add(() => opened.close());
  const { upstream } = opened;
  const tls = await openServerTls(config.tls, given.ticketKeys, around);
  const auth = await wireAuth(config.auth, { rules, upstream, clock: wallClock, log });
  ending.add(() => {
    auth.close();
  });
  const account = auth.own ? undefined : await ownAccount(config.upstream, { upstream, clock, log });
  ending.add(() => account?.close());
  const own = auth.own ?? account;
  const { facts, needs } = wireFacts({ ...store, upstream, own, clock, log, tagLimit });

  const { changes, answers } = await wireAnswers(config.cache, { clock, ...store });
  /** By what requests are judged, and explained. */
  const judging = {
    ...{ rules, facts, needs, tombstones, births, unlocks, clock, putDeadlineMs },
    walkMs: walkSeconds * 1000,
  };
  const uploads = { seals: store.seals, closedPrefixes: config.passthrough.map(({ prefix }) => prefix) };
  const { observe, warned } = observer(log, audit);
  const addressing = addressingOf(config);
  const route = {
    registry: { ...judging, claims, upstream, changes, answers, uploads, idleMs, ...auth },
    tokens: auth.tokens,
    passthrough: passthrough(config.passthrough, origin, idleMs, opened.tls),
    ...{ addressing, observe, limits: wireLimits(config, log) },
  };
  const { trustedProxies: trusted } = addressing;
  const server = registryServer(route, keepingOf(config, { trusted, tls: tls?.forClients(), log }));
  const explain = { ...judging, own, lifting: judging, auth: config.auth };
  const api = await wireApi(config.admin, { ...store, upstream, log, audit, explain });
  const admin = await adminServer(
    () =>
      readinessOf(store, auth, {
        ...{ tamperings: facts.tamperings, warned: warned() },
        ...{ tls: tls?.doubt(), upstreamTls: opened.tls?.doubt() },
      }),
    api,
    config.admin.tls ? tls?.forOperators() : undefined,
  );
  tls?.follow(server, admin);
  return {
    ...(await listenAt(config, { server, admin }, ending)),
    reopen: () => {
      audit?.reopen();
      void tls?.reload();
      void opened.tls?.reload();
    },
  };
}

function startAudit({ auditFile }: Config['log'], log: Logger, ending: Ending): AuditFile | undefined {
  if (auditFile === undefined) return undefined;
  const audit = openAudit(auditFile, log);
  ending.add(() => {
    audit.close();
  });
  return audit;
}

function auditOfRules(audit: AuditFile): (change: RulesChange) => void {
  return (change) => {
    audit.write({ audit: 'rules', ...change });
  };
}

interface Noted {
  readonly tamperings: number;
  readonly warned: number;
  /** What is wrong with our certificate, and with TLS to the upstream. */
  readonly tls: string | undefined;
  readonly upstreamTls: string | undefined;
}

function readinessOf(
  { rules, notes }: Store,
  auth: Auth,
  { tamperings, warned, tls, upstreamTls }: Noted,
): Readiness {
  return {
    needed: { rules: rules.doubt() ?? 'ok', ...auth.readiness() },
    noted: {
      ...notes(),
      ...(tamperings > 0 && { tampering: `seen ${tamperings} times` }),
      ...(warned > 0 && { warned: `of ${warned} writes` }),
      ...(tls !== undefined && { tls }),
      ...(upstreamTls !== undefined && { upstream_tls: upstreamTls }),
    },
  };
}

/** The switch may be thrown in the configuration file too, unless a flag or the environment has the say. */
function watchSwitch(config: Config, switched: ImmutabilitySwitch, log: Logger, ending: Ending): void {
  const { enabled: isEnabled, file: path } = config.immutability;
  if (path === undefined) return;
  const switchFile = new SwitchFile({ path, isEnabled, switched, log, clock: steadyClock });
  ending.add(() => {
    switchFile.close();
  });
}

function addressingOf({ publicUrl, trustedProxies: networks }: Config): Addressing {
  return {
    publicUrl: publicUrl === undefined ? undefined : new URL(publicUrl),
    trustedProxies: trustedProxies(networks),
  };
}
