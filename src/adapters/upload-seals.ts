import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { Clock } from '../core/ports.ts';
import type { Repository } from '../core/reference.ts';
import type { UploadSeals } from '../core/upload-seals.ts';

export const sealKeyBytes = 32;
/** Each request of an upload names the session anew, and a request may run for longer: it is read when it begins. */
export const sealLifetimeMs = 24 * 3600 * 1000;

const cipher = 'aes-256-gcm';
const version = 1;
const saltBytes = 16;
const timeBytes = 6;
const tagBytes = 16;
/** Each seal has a key of its own, and so a nonce is never used twice. */
const nonce = Buffer.alloc(12);

/** @returns the keys that are good, the one to seal with first; none is an error that it throws */
type Keys = () => readonly [Buffer, ...Buffer[]];

/**
 * Authenticated encryption, so that nobody can forge an address or learn one from its name:
 * version, salt, AES-256-GCM of (expiry, target) bound to the repository, in base64url.
 */
export class KeyedSeals implements UploadSeals {
  readonly #keys: Keys;
  readonly #clock: Clock;

  /** @param clock the time of day, which replicas have in common */
  constructor(keys: Keys, clock: Clock) {
    this.#keys = keys;
    this.#clock = clock;
  }

  seal(repository: Repository, target: string): string {
    const head = Buffer.concat([Buffer.of(version), randomBytes(saltBytes)]);
    const [key] = this.#keys();
    const sealing = createCipheriv(cipher, ownKey(key, head), nonce).setAAD(Buffer.from(repository));
    const expiry = Buffer.alloc(timeBytes);
    expiry.writeUIntBE(Math.floor(this.#clock.nowMs()) + sealLifetimeMs, 0, timeBytes);
    const sealed = [sealing.update(expiry), sealing.update(target, 'latin1'), sealing.final()];
    return Buffer.concat([head, ...sealed, sealing.getAuthTag()]).toString('base64url');
  }

  open(repository: Repository, text: string): string | undefined {
    const bytes = Buffer.from(text, 'base64url');
    // Node's decoder skips what is not of the alphabet, and would so open what is written in another way too.
    const isWhole = bytes[0] === version && bytes.length >= 1 + saltBytes + timeBytes + tagBytes;
    if (!isWhole || bytes.toString('base64url') !== text) return undefined;
    for (const key of this.#keys()) {
      const content = opened(key, repository, bytes);
      if (!content) continue;
      const isFresh = this.#clock.nowMs() < content.readUIntBE(0, timeBytes);
      return isFresh ? content.toString('latin1', timeBytes) : undefined;
    }
    return undefined;
  }
}

function opened(key: Buffer, repository: Repository, bytes: Buffer): Buffer | undefined {
  const head = bytes.subarray(0, 1 + saltBytes);
  const opening = createDecipheriv(cipher, ownKey(key, head), nonce, { authTagLength: tagBytes })
    .setAAD(Buffer.from(repository))
    .setAuthTag(bytes.subarray(-tagBytes));
  const content = opening.update(bytes.subarray(head.length, -tagBytes));
  try {
    opening.final();
  } catch {
    return undefined;
  }
  return content;
}

function ownKey(key: Buffer, head: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', key, head, 'tagwarden upload location', sealKeyBytes));
}
