import type { Config } from './config.ts';
import { Secret } from './secret.ts';

/**
 * What is configured, on its way to another process of ours, so that all of them have the same though a file has
 * changed. A Secret shows itself to nobody, and so would arrive empty: it goes as a Map, which nothing else here is.
 * @throws TypeError for what could not be made again there
 */
export function pack(value: unknown): unknown {
  if (value instanceof Secret) return new Map([['secret', value.reveal()]]);
  if (Array.isArray(value)) return value.map(pack);
  if (typeof value === 'function' || typeof value === 'symbol')
    throw new TypeError(`a ${typeof value} cannot be handed to another process`);
  if (typeof value !== 'object' || value === null) return value;
  if (Object.getPrototypeOf(value) !== Object.prototype)
    throw new TypeError(`a ${value.constructor.name} cannot be handed to another process`);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, pack(part)]));
}

function unpack(value: unknown): unknown {
  if (value instanceof Map) return new Secret(String(value.get('secret')));
  if (Array.isArray(value)) return Object.freeze(value.map(unpack));
  if (typeof value !== 'object' || value === null) return value;
  return Object.freeze(Object.fromEntries(Object.entries(value).map(([key, part]) => [key, unpack(part)])));
}

/** INVARIANT: `packed` is what `pack` made of a Config. */
export function unpackConfig(packed: unknown): Config {
  return unpack(packed) as Config;
}
