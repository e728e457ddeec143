import { readFile } from 'node:fs/promises';
import { request } from 'undici';
import type { Clock } from '../../core/ports.ts';
import { keysOfJwks, keysOfPem, mergedKeys, noKeys, type TrustedKeys } from './trusted-keys.ts';

/** Where keys come from. */
export type ReadKeys = () => Promise<TrustedKeys>;

export interface KeyLocations {
  readonly jwksUrl?: string | undefined;
  readonly jwksFile?: string | undefined;
  readonly certificateFile?: string | undefined;
}

const fetchMs = 5_000;
const jwksLimitBytes = 1024 * 1024;
/** However many unknown keys tokens name: an attacker must not make us ask all the time. */
const refreshEveryMs = 10_000;
/** A key that its owner has withdrawn must not be good for ever. */
const staleAfterMs = 10 * 60_000;

export function readersOf({ jwksUrl, jwksFile, certificateFile }: KeyLocations): readonly ReadKeys[] {
  const fromUrl = (url: string): ReadKeys => named(url, async () => keysOfJwks(await fetchText(url)));
  return [
    ...(jwksUrl === undefined ? [] : [fromUrl(jwksUrl)]),
    ...fileReadersOf({ jwksFile, certificateFile }),
  ];
}

/** Those that are there from the start, or a mistake. */
export function fileReadersOf({ jwksFile, certificateFile }: KeyLocations): readonly ReadKeys[] {
  const fromFile = (file: string, parse: (text: string) => Promise<TrustedKeys>): ReadKeys =>
    named(file, async () => parse(await readFile(file, 'utf8')));
  return [
    ...(jwksFile === undefined ? [] : [fromFile(jwksFile, keysOfJwks)]),
    ...(certificateFile === undefined ? [] : [fromFile(certificateFile, keysOfPem)]),
  ];
}

/** Errors tell where; never with the query of an address, which may hold a secret. */
function named(place: string, read: ReadKeys): ReadKeys {
  return async () => {
    try {
      return await read();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`${place.replace(/\?.*/, '')}: ${reason}`, { cause });
    }
  };
}

async function fetchText(url: string): Promise<string> {
  const signal = AbortSignal.timeout(fetchMs);
  const { statusCode, body } = await request(url, { signal, headersTimeout: fetchMs, bodyTimeout: fetchMs });
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > jwksLimitBytes) throw new Error(`the key set is larger than ${jwksLimitBytes} bytes`);
    chunks.push(chunk);
  }
  if (statusCode !== 200) throw new Error(`the key set was answered with ${statusCode}`);
  return Buffer.concat(chunks).toString();
}

/**
 * The keys of some sources, read when they are first needed and again when a token names one that is not there; that is
 * how a rotation needs no restart. A source that fails leaves what it last gave in force.
 */
export class KeySource {
  readonly #readers: readonly ReadKeys[];
  readonly #known: TrustedKeys[];
  readonly #clock: Clock;
  readonly #onFailure: (error: Error) => void;
  #keys = noKeys;
  #refreshedAtMs = -Infinity;
  #refreshing: Promise<void> | undefined;

  constructor(readers: readonly ReadKeys[], clock: Clock, onFailure: (error: Error) => void) {
    this.#readers = readers;
    this.#known = readers.map(() => noKeys);
    this.#clock = clock;
    this.#onFailure = onFailure;
  }

  /** What `find` finds in the keys that are known, or in those that are read then. */
  async keysFor<Found>(find: (keys: TrustedKeys) => Found | undefined): Promise<Found | undefined> {
    const found = find(this.#keys);
    if (found !== undefined) {
      if (this.#clock.nowMs() - this.#refreshedAtMs >= staleAfterMs) void this.#refresh();
      return found;
    }
    await this.#refresh();
    return find(this.#keys);
  }

  /** Those that wait share one reading; after it there is none for a while. */
  async #refresh(): Promise<void> {
    if (!this.#refreshing && this.#clock.nowMs() - this.#refreshedAtMs < refreshEveryMs) return;
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined;
      this.#refreshedAtMs = this.#clock.nowMs();
    });
    await this.#refreshing;
  }

  async #read(): Promise<void> {
    const results = await Promise.allSettled(this.#readers.map((read) => read()));
    for (const [at, result] of results.entries()) {
      if (result.status === 'fulfilled') this.#known[at] = result.value;
      else this.#onFailure(result.reason as Error);
    }
    this.#keys = mergedKeys(this.#known);
  }
}
