import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { openAudit, type AuditFile } from './adapters/audit-file.ts';
import { steadyClock, wallClock } from './adapters/clock.ts';
import { SwitchFile } from './adapters/switch-file.ts';
import { Upstream } from './adapters/upstream.ts';
import type { RulesChange } from './adapters/rules-in-force.ts';
import type { ImmutabilitySwitch } from './adapters/immutability-switch.ts';
import type { Address } from './config/addresses.ts';
import { wireAnswers } from './app/answers.ts';
import { wireApi } from './app/api.ts';
import { wireAuth, type Auth } from './app/auth.ts';
import { Ending } from './app/ending.ts';
import { wireFacts } from './app/facts.ts';
import { ownAccount } from './app/own-account.ts';
import { openStore, type Store } from './app/store.ts';
import type { Config } from './config/config.ts';
import type { Clock } from './core/ports.ts';
import { adminServer, type Readiness } from './http/admin.ts';
import { trustedProxies } from './http/forwarded.ts';
import { lookUpMs } from './http/look-up.ts';
import { observer } from './http/log.ts';
import { passthrough } from './http/passthrough.ts';
import { registryServer } from './http/server.ts';

/** How long running requests may go on once the end has been asked for. */
const closeMs = 10_000;

export interface App {
  /** As `127.0.0.1:8080`. */
  readonly address: string;
  readonly adminAddress: string;
  /** After a rotation: opens the files anew that are written to. */
  reopen(): void;
  close(): Promise<void>;
}

/**
 * Wires everything, and serves; where that fails nothing is left open.
 * @throws RulesRefused, and Error of node:fs or node:net where a file or an address cannot be had
 */
export async function startApp(config: Config, log: Logger, clock = steadyClock): Promise<App> {
  const ending = new Ending();
  try {
    return { ...(await serve(config, log, ending, clock)), close: () => ending.run() };
  } catch (error) {
    await ending.run();
    throw error;
  }
}

async function serve(config: Config, log: Logger, ending: Ending, clock: Clock): Promise<Omit<App, 'close'>> {
  const { putDeadlineSeconds, ttlSeconds } = config.claims;
  const putDeadlineMs = putDeadlineSeconds * 1000;
  const idleMs = config.upstream.idleTimeoutSeconds * 1000;
  const { url: origin, ca, credentials } = config.upstream;
  const { walkSeconds, tagLimit } = config.deletes;

  const audit = startAudit(config.log, log, ending);
  const onRules =
    audit &&
    ((change: RulesChange): void => {
      audit.write({ audit: 'rules', ...change });
    });
  const around = { clock, log, ending, onRules };
  const lifetimes = { leaseMs: lookUpMs, ttlMs: ttlSeconds * 1000 };
  const store = await openStore(config, lifetimes, around);
  const { rules, claims, tombstones, births, unlocks } = store;
  watchSwitch(config, rules, log, ending);
  const upstream = new Upstream({ origin, ...(ca !== undefined && { ca }) });
  ending.add(() => upstream.close());
  const auth = await wireAuth(config.auth, { rules, upstream, clock: wallClock, log });
  ending.add(() => {
    auth.close();
  });
  const own = auth.own ?? (credentials && ownAccount(credentials));
  const { facts, needs } = wireFacts({ ...store, upstream, own, clock, log, tagLimit });

  const { changes, answers } = await wireAnswers(config.cache, { clock, ...store });
  /** By what requests are judged, and explained. */
  const judging = {
    ...{ rules, facts, needs, tombstones, births, unlocks, clock, putDeadlineMs },
    walkMs: walkSeconds * 1000,
  };
  const { observe, warned } = observer(log, audit);
  const server = registryServer({
    registry: { ...judging, claims, upstream, changes, answers, idleMs, ...auth },
    tokens: auth.tokens,
    passthrough: passthrough(config.passthrough, origin, idleMs, ca),
    addressing: {
      publicUrl: config.publicUrl === undefined ? undefined : new URL(config.publicUrl),
      trustedProxies: trustedProxies(config.trustedProxies),
    },
    observe,
  });
  const explain = { ...judging, own, lifting: judging, auth: config.auth };
  const api = await wireApi(config.admin, { ...store, upstream, log, audit, explain });
  const admin = await adminServer(
    () => readinessOf(store, auth, { tamperings: facts.tamperings, warned: warned() }),
    api,
  );
  ending.add(async () => {
    await Promise.all([closeServer(server), closeServer(admin)]);
  });
  return {
    address: await listen(server, config.listen),
    adminAddress: await listen(admin, config.admin.listen),
    reopen: () => audit?.reopen(),
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

function readinessOf(
  { rules, notes }: Store,
  auth: Auth,
  { tamperings, warned }: { readonly tamperings: number; readonly warned: number },
): Readiness {
  return {
    needed: { rules: rules.doubt() ?? 'ok', ...auth.readiness() },
    noted: {
      ...notes(),
      ...(tamperings > 0 && { tampering: `seen ${tamperings} times` }),
      ...(warned > 0 && { warned: `of ${warned} writes` }),
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

async function listen(server: Server, { host, port }: Address): Promise<string> {
  server.listen(port, host);
  await once(server, 'listening');
  const { address, family, port: actual } = server.address() as AddressInfo;
  return family === 'IPv6' ? `[${address}]:${actual}` : `${address}:${actual}`;
}

/** Accepts nothing new, ends idle connections, and lets what runs come to its end, for a while. */
async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => {
    server.closeAllConnections();
  }, closeMs);
  await closed;
  clearTimeout(timer);
}
