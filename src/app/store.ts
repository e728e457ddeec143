import type { Logger } from 'pino';
import { nobodyElse } from '../adapters/announced-changes.ts';
import { BirthsFile } from '../adapters/births-file.ts';
import { ClaimsJournal } from '../adapters/claims-journal.ts';
import { InMemoryClaims } from '../adapters/claims-memory.ts';
import { lockFile } from '../adapters/file-lock.ts';
import type { ImmutabilitySwitch } from '../adapters/immutability-switch.ts';
import type { ToldRules } from '../adapters/workers/rules-feed.ts';
import type { ServingReport } from '../adapters/workers/worker-port.ts';
import { ManagedRulesFile } from '../adapters/managed-rules-file.ts';
import { RulesFile } from '../adapters/rules-file.ts';
import { openSealKey } from '../adapters/seal-key-file.ts';
import { TombstonesFile } from '../adapters/tombstones-file.ts';
import { KeyedSeals } from '../adapters/upload-seals.ts';
import { InMemoryUnlocks } from '../adapters/unlocks-memory.ts';
import type { RulesChange, RulesHistory } from '../adapters/rules-in-force.ts';
import type { ManifestStore } from '../adapters/manifest-cache.ts';
import type { SharedStore } from '../adapters/redis/store.ts';
import { wallClock } from '../adapters/clock.ts';
import type { Config } from '../config/config.ts';
import type { RedisConfig } from '../config/redis.ts';
import type { Births } from '../core/births.ts';
import type { ClaimLifetimes } from '../core/claim.ts';
import type { Announcements, ClaimStore, Clock, Ledger, Tombstones } from '../core/ports.ts';
import type { ManagedRules } from '../core/managed-rules.ts';
import { nothingMeasured, seriesOf, type Measures } from '../core/series.ts';
import type { Unlocks } from '../core/unlock.ts';
import type { UploadSeals } from '../core/upload-seals.ts';
import { lookUpMs } from '../http/look-up.ts';
import type { Ending } from './ending.ts';

/** What requests are judged by beside the rules, and what they leave behind. */
export interface Kept {
  readonly claims: ClaimStore;
  readonly ledger: Ledger;
  readonly tombstones: Tombstones;
  readonly births: Births;
  readonly unlocks: Unlocks;
  readonly seals: UploadSeals;
  /** What replicas have parsed; absent: each process keeps that to itself. */
  readonly manifests?: ManifestStore;
  /** Who else may hold answers of the same upstream, beside the other processes of this machine. */
  readonly announcements: Announcements;
  /** For operators; nothing of it keeps this process from serving. */
  readonly notes: () => Pick<ServingReport, 'noted' | 'sinceMs'>;
  readonly measures: () => Measures;
}

/** What one process keeps to itself, and what replicas share. */
export interface Store extends Kept {
  readonly rules: ToldRules & ImmutabilitySwitch & RulesHistory;
  /** Absent: nothing keeps the rules of the management API. */
  readonly managed?: ManagedRules;
}

interface Surroundings {
  readonly clock: Clock;
  readonly log: Logger;
  readonly ending: Ending;
  /** How long a write that was judged under other rules may still be on its way. */
  readonly settledAfterMs: number;
  /** Hears of other rules than before; undefined: nobody does. */
  readonly onRules: ((change: RulesChange) => void) | undefined;
}

export function lifetimesOf({ claims: { ttlSeconds } }: Config): ClaimLifetimes {
  return { leaseMs: lookUpMs, ttlMs: ttlSeconds * 1000 };
}

/** @throws RulesRefused, and Error of node:fs where a file cannot be had */
export function openStore(config: Config, lifetimes: ClaimLifetimes, around: Surroundings): Promise<Store> {
  return config.redis
    ? openSharedStore(config, config.redis, lifetimes, around)
    : openOwnStore(config, lifetimes, around);
}

async function openOwnStore(
  config: Config,
  lifetimes: ClaimLifetimes,
  { clock, log, ending, settledAfterMs, onRules }: Surroundings,
): Promise<Store> {
  const { managedFile } = config.rules;
  ending.add(await lockFile(managedFile, 'rules.managed_file'));
  const managed = await ManagedRulesFile.open({ path: managedFile, log, clock });
  ending.add(() => managed.close());
  const rules = await RulesFile.open({
    // INVARIANT: without redis.url it is required.
    path: config.rules.file ?? '',
    ...{ log, clock, settledAfterMs },
    immutabilityEnabled: config.immutability.enabled,
    onChange: onRules,
    managed,
  });
  ending.add(() => {
    rules.close();
  });
  const { journalFile } = config.claims;
  ending.add(await lockFile(journalFile, 'claims.journal_file'));
  const journal = await ClaimsJournal.open(journalFile, clock.nowMs());
  const claims = new InMemoryClaims(lifetimes, clock, journal);
  ending.add(() => claims.close());
  const { tombstoneFile } = config.immutability;
  ending.add(await lockFile(tombstoneFile, 'immutability.tombstone_file'));
  const tombstones = await TombstonesFile.open(tombstoneFile);
  ending.add(() => tombstones.close());
  const { birthFile } = config.immutability;
  ending.add(await lockFile(birthFile, 'immutability.birth_file'));
  const births = await BirthsFile.open(birthFile, clock);
  ending.add(() => births.close());
  const { InMemoryLedger } = await import('../adapters/ledger-memory.ts');
  return {
    rules,
    claims,
    managed,
    ledger: new InMemoryLedger(),
    tombstones,
    births,
    unlocks: new InMemoryUnlocks(clock),
    ...ownBesides(config),
  };
}

/** What every process has without a Redis, beside what one of them has for all. */
export function ownBesides(config: Config): Pick<Kept, 'announcements' | 'seals' | 'notes' | 'measures'> {
  const sealKey = openSealKey(config.uploads.sealKeyFile);
  return {
    announcements: nobodyElse,
    seals: new KeyedSeals(() => [sealKey], wallClock),
    notes: () => ({ noted: {}, sinceMs: {} }),
    measures: () => nothingMeasured,
  };
}

async function openSharedStore(
  config: Config,
  redis: RedisConfig,
  lifetimes: ClaimLifetimes,
  around: Surroundings,
): Promise<Store> {
  const { clock, log, ending, settledAfterMs, onRules } = around;
  const { store, kept } = await connectKept(redis, lifetimes, around);
  const { SharedRules } = await import('../adapters/redis/all.ts');
  const rules = await SharedRules.open({
    ...{ store, log, clock, settledAfterMs },
    file: config.rules.file,
    maxAgeMs: config.rules.maxAgeSeconds * 1000,
    immutabilityEnabled: config.immutability.enabled,
    onChange: onRules,
  });
  ending.add(() => {
    rules.close();
  });
  return { ...kept, rules, managed: rules };
}

/** ioredis is loaded only where it is needed. */
export async function connectKept(
  redis: RedisConfig,
  lifetimes: ClaimLifetimes,
  { clock, log, ending }: Pick<Surroundings, 'clock' | 'log' | 'ending'>,
): Promise<{ readonly store: SharedStore; readonly kept: Kept }> {
  const all = await import('../adapters/redis/all.ts');
  const store = await all.connectRedis(redis, log);
  ending.add(() => store.close());
  // A command that is lost with its connection, and the next one, which finds Redis again.
  const graceMs = 2 * redis.commandTimeoutMs + 1_000;
  const claims = new all.RedisClaims(store, { ...lifetimes, graceMs }, clock, log);
  ending.add(() => claims.close());
  const sealKeys = await all.SharedSealKeys.open(store);
  ending.add(() => {
    sealKeys.close();
  });
  const notes: Kept['notes'] = () => {
    const { isUp, sinceMs } = store.state();
    return { noted: { redis: isUp ? (claims.doubt() ?? 'ok') : 'away' }, sinceMs: { redis: sinceMs } };
  };
  const kept: Kept = {
    ...{ claims, notes, measures: () => measuresOf(store) },
    ledger: new all.RedisLedger(store, clock),
    tombstones: new all.RedisTombstones(store),
    births: new all.RedisBirths(store, clock),
    unlocks: new all.RedisUnlocks(store, clock),
    announcements: new all.RedisAnnouncements(store, clock),
    seals: new KeyedSeals(() => sealKeys.current(), wallClock),
    manifests: new all.RedisManifests(store),
  };
  return { store, kept };
}

function measuresOf(store: SharedStore): Measures {
  const { isUp, away, refused } = store.state();
  return {
    counts: { [seriesOf('redis_errors', 'away')]: away, [seriesOf('redis_errors', 'refused')]: refused },
    levels: { redis_up: isUp ? 1 : 0 },
  };
}
