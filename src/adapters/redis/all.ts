// What is shared through Redis, in one place, so that it is loaded at once and only where it is needed.
export { RedisClaims } from './claims.ts';
export { RedisLedger } from './ledger.ts';
export { RedisManifests } from './manifests.ts';
export { connectRedis } from './redis-store.ts';
export { SharedRules } from './rules.ts';
export { SharedSealKeys } from './seal-keys.ts';
export { RedisTombstones } from './tombstones.ts';
export { RedisBirths } from './births.ts';
export { RedisUnlocks } from './unlocks.ts';
export { RedisAnnouncements } from './announcements.ts';
