import type { Logger } from 'pino';
import { steadyClock } from './adapters/clock.ts';
import { SwitchFile } from './adapters/switch-file.ts';
import type { RulesChange } from './adapters/rules-in-force.ts';
import type { ImmutabilitySwitch } from './adapters/immutability-switch.ts';
import { waitedOutMs } from './adapters/workers/lease.ts';
import type { OneStore } from './adapters/workers/remote-store.ts';
import { wireApi } from './app/api.ts';
import type { SharedAuth } from './app/auth.ts';
import type { Door } from './app/door.ts';
import { Ending } from './app/ending.ts';
import { closeDoor, closeServer, listen } from './app/listening.ts';
import { metricsOf } from './app/metrics.ts';
import { readinessReader } from './app/readiness.ts';
import { wireServing, type Serving } from './app/serving.ts';
import { openWitnesses, type Witnesses } from './app/witnesses.ts';
import { connectKept, lifetimesOf, openStore, ownBesides } from './app/store.ts';
import type { Config } from './config/config.ts';
import type { ManagedRules } from './core/managed-rules.ts';
import { noNotices, type Notices } from './core/notices.ts';
import type { Clock, RuleSource } from './core/ports.ts';
import { adminServer, isReady } from './http/admin.ts';

/** Of the admin listener, once the door is closed. */
const closeAdminMs = 1_000;

export interface App {
  /** As `127.0.0.1:8080`. */
  readonly address: string;
  readonly adminAddress: string;
  /** After a rotation: opens the files anew that are written to, and reads certificates and keys. */
  reopen(): void;
  close(): Promise<void>;
}

/** What a process is given by the one that started it. */
export interface Given {
  /** 48 bytes that seal TLS session tickets: processes of one machine that have the same resume each other's sessions. */
  readonly ticketKeys?: Buffer | undefined;
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
  const { clock = steadyClock, ticketKeys } = given;
  const isAlone = config.workers === 1;

  const audit = await openWitnesses(config, log, ending);
  const onRules = audit && auditOfRules(audit);
  const lifetimes = lifetimesOf(config);
  // Workers may judge by other rules for a moment longer.
  const settledAfterMs = lifetimes.ttlMs + (isAlone ? 0 : waitedOutMs);
  const store = await openStore(config, lifetimes, { clock, log, ending, settledAfterMs, onRules });
  watchSwitch(config, store.rules, log, ending);
  const around = { clock, log, audit, ending, notices: noNotices, ticketKeys };
  const serving = await wireServing(config, store, around);
  const { DoorOfWorkers } = isAlone ? {} : await import('./app/workers.ts');
  const door = DoorOfWorkers
    ? new DoorOfWorkers({ config, store, auth: serving.auth, clock, log })
    : ownDoor(serving, config);

  const managed = store.managed && settledBy(door, store.managed);
  const api = await wireApi(config.admin, { ...store, ...serving, managed, log, audit });
  const tls = config.admin.tls ? serving.tls?.forOperators() : undefined;
  const readiness = readinessReader({ store, door, upstream: serving.upstream, clock });
  const metrics = metricsOf({
    ...{ config, rules: store.rules, door, besides: isAlone ? undefined : serving, clock },
    isReady: async (report) => isReady(await readiness.read(report)),
  });
  const admin = await adminServer(() => readiness.read(), api, tls, metrics);
  serving.tls?.follow(serving.server, admin);
  ending.add(async () => {
    readiness.drains();
    await door.close();
    await closeServer(admin, closeAdminMs);
  });
  return {
    address: await door.open(),
    adminAddress: await listen(admin, config.admin.listen),
    reopen: () => {
      if (!isAlone) serving.reopen();
      door.reopen();
    },
  };
}

/** What a worker has of its primary (docs/workers.md). */
export interface FromPrimary extends Given {
  /** The primary's. */
  readonly clock: Clock;
  readonly rules: RuleSource;
  /** Not used with Redis: there each worker is a replica of its own. */
  readonly store: OneStore;
  readonly notices: Notices;
  readonly shared: SharedAuth | undefined;
}

/** Wires a worker: what serves clients, and nothing that there is only once. Where that fails, its process ends. */
export async function startWorker(config: Config, log: Logger, primary: FromPrimary): Promise<Door> {
  const { clock, rules, notices, shared, ticketKeys } = primary;
  const ending = new Ending();
  const audit = await openWitnesses(config, log, ending);
  const kept = config.redis
    ? (await connectKept(config.redis, lifetimesOf(config), { clock, log, ending })).kept
    : { ...primary.store, ...ownBesides(config) };
  const around = { clock, log, audit, ending, notices, shared, ticketKeys };
  const serving = await wireServing(config, { ...kept, rules }, around);
  serving.tls?.follow(serving.server);
  const door = ownDoor(serving, config);
  ending.add(() => door.close());
  return { ...door, close: () => ending.run() };
}

/** This process alone. */
function ownDoor({ server, running, report, reopen }: Serving, { listen: address, shutdown }: Config): Door {
  return {
    open: () => listen(server, address),
    report: () => {
      const { levels, ...others } = report();
      return Promise.resolve({ ...others, levels: { ...levels, workers_serving: 1 } });
    },
    settled: () => Promise.resolve(),
    reopen,
    close: () => closeDoor(server, running, shutdown),
  };
}

/** A change is in force when it is acknowledged, wherever clients are served. */
function settledBy(door: Door, managed: ManagedRules): ManagedRules {
  return {
    state: () => managed.state(),
    change: async (edit) => {
      const state = await managed.change(edit);
      await door.settled();
      return state;
    },
  };
}

function auditOfRules(audit: Witnesses): (change: RulesChange) => void {
  return (change) => {
    audit.write({ audit: 'rules', ...change });
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
