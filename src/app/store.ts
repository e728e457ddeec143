import type { Logger } from 'pino';
import { nobodyElse } from '../adapters/announced-changes.ts';
import { BirthsFile } from '../adapters/births-file.ts';
import { ClaimsJournal } from '../adapters/claims-journal.ts';
import { InMemoryClaims } from '../adapters/claims-memory.ts';
import { lockFile } from '../adapters/file-lock.ts';
import type { ImmutabilitySwitch } from '../adapters/immutability-switch.ts';
import { ManagedRulesFile } from '../adapters/managed-rules-file.ts';
import { RulesFile } from '../adapters/rules-file.ts';
import { openSealKey } from '../adapters/seal-key-file.ts';
import { TombstonesFile } from '../adapters/tombstones-file.ts';
import { KeyedSeals } from '../adapters/upload-seals.ts';
import { InMemoryUnlocks } from '../adapters/unlocks-memory.ts';
import type { RulesChange } from '../adapters/rules-in-force.ts';
import type { ManifestStore } from '../adapters/manifest-cache.ts';
import { wallClock } from '../adapters/clock.ts';
import type { Config } from '../config/config.ts';
import type { RedisConfig } from '../config/redis.ts';
import type { Births } from '../core/births.ts';
import type { ClaimLifetimes } from '../core/claim.ts';
import type { Announcements, ClaimStore, Clock, Ledger, RuleSource, Tombstones } from '../core/ports.ts';
import type { ManagedRules } from '../core/managed-rules.ts';
import type { Unlocks } from '../core/unlock.ts';
import type { UploadSeals } from '../core/upload-seals.ts';
import type { Ending } from './ending.ts';

/** What one process keeps to itself, and what replicas share. */
export interface Store {
  readonly rules: RuleSource & ImmutabilitySwitch;
  readonly claims: ClaimStore;
  readonly ledger: Ledger;
  readonly tombstones: Tombstones;
  readonly births: Births;
  readonly unlocks: Unlocks;
  readonly seals: UploadSeals;
  /** What replicas have parsed; absent: each process keeps that to itself. */
  readonly manifests?: ManifestStore;
  /** Absent: nothing keeps the rules of the management API. */
  readonly managed?: ManagedRules;
  readonly announcements: Announcements;
  /** For operators; nothing of it keeps this process from serving. */
  readonly notes: () => Readonly<Record<string, string>>;
}

interface Surroundings {
  readonly clock: Clock;
  readonly log: Logger;
  readonly ending: Ending;
  /** Hears of other rules than before; undefined: nobody does. */
  readonly onRules: ((change: RulesChange) => void) | undefined;
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
  { clock, log, ending, onRules }: Surroundings,
): Promise<Store> {
  const { managedFile } = config.rules;
  ending.add(await lockFile(managedFile, 'rules.managed_file'));
  const managed = await ManagedRulesFile.open({ path: managedFile, log, clock });
  ending.add(() => managed.close());
  const rules = await RulesFile.open({
    // INVARIANT: without redis.url it is required.
    path: config.rules.file ?? '',
    ...{ log, clock },
    settledAfterMs: lifetimes.ttlMs,
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
  const sealKey = openSealKey(config.uploads.sealKeyFile);
  const { InMemoryLedger } = await import('../adapters/ledger-memory.ts');
  return {
    rules,
    claims,
    managed,
    ledger: new InMemoryLedger(),
    tombstones,
    births,
    unlocks: new InMemoryUnlocks(clock),
    announcements: nobodyElse,
    seals: new KeyedSeals(() => [sealKey], wallClock),
    notes: () => ({}),
  };
}

/** ioredis is loaded only where it is needed. */
async function openSharedStore(
  config: Config,
  redis: RedisConfig,
  lifetimes: ClaimLifetimes,
  { clock, log, ending, onRules }: Surroundings,
): Promise<Store> {
  const {
    connectRedis,
    SharedRules,
    SharedSealKeys,
    RedisClaims,
    RedisLedger,
    RedisManifests,
    RedisTombstones,
    RedisBirths,
    RedisUnlocks,
    RedisAnnouncements,
  } = await import('../adapters/redis/all.ts');
  const store = await connectRedis(redis, log);
  ending.add(() => store.close());
  const rules = await SharedRules.open({
    ...{ store, log, clock },
    file: config.rules.file,
    settledAfterMs: lifetimes.ttlMs,
    maxAgeMs: config.rules.maxAgeSeconds * 1000,
    immutabilityEnabled: config.immutability.enabled,
    onChange: onRules,
  });
  ending.add(() => {
    rules.close();
  });
  // A command that is lost with its connection, and the next one, which finds Redis again.
  const graceMs = 2 * redis.commandTimeoutMs + 1_000;
  const claims = new RedisClaims(store, { ...lifetimes, graceMs }, clock, log);
  ending.add(() => claims.close());
  const sealKeys = await SharedSealKeys.open(store);
  ending.add(() => {
    sealKeys.close();
  });
  const notes = (): Record<string, string> => {
    const { isUp, sinceMs } = store.state();
    const seconds = Math.round((wallClock.nowMs() - sinceMs) / 1000);
    return { redis: isUp ? (claims.doubt() ?? 'ok') : `away for ${seconds} s` };
  };
  return {
    ...{ rules, managed: rules, claims, notes },
    ledger: new RedisLedger(store, clock),
    tombstones: new RedisTombstones(store),
    births: new RedisBirths(store, clock),
    unlocks: new RedisUnlocks(store, clock),
    announcements: new RedisAnnouncements(store, clock),
    seals: new KeyedSeals(() => sealKeys.current(), wallClock),
    manifests: new RedisManifests(store),
  };
}
