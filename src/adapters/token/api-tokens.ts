import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { parseApiTokens, type ApiToken } from '../../config/api-tokens.ts';
import type { ApiCaller } from '../../core/api-access.ts';

/** By which scanners of repositories and logs know one that has leaked. */
const prefix = 'twa-';

export function newApiToken(): string {
  return `${prefix}${randomBytes(32).toString('base64url')}`;
}

/**
 * A plain hash is enough, without salt or cost: nobody can try 2^256 tokens, as anybody can try the passwords that
 * people think of.
 */
export function hashApiToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** The file of the management API's tokens; a change counts at the next request, what is broken leaves the last good ones. */
export class ApiTokens {
  readonly #path: string;
  readonly #onFailure: (errors: readonly string[]) => void;
  #tokens: readonly ApiToken[];
  #stamp: string;
  #reloading: Promise<void> | undefined;

  private constructor(
    path: string,
    { tokens, stamp }: GoodTokens,
    onFailure: (errors: readonly string[]) => void,
  ) {
    this.#path = path;
    this.#onFailure = onFailure;
    this.#tokens = tokens;
    this.#stamp = stamp;
  }

  /** @throws Error with a line for each error of the file */
  static async open(path: string, onFailure: (errors: readonly string[]) => void): Promise<ApiTokens> {
    const read = await readTokens(path, '');
    if (read && 'tokens' in read) return new ApiTokens(path, read, onFailure);
    throw new Error((read?.errors ?? []).map((error) => `${path}: ${error}`).join('\n'));
  }

  /** Whose token it is; undefined where it is nobody's. */
  async callerOf(token: string): Promise<ApiCaller | undefined> {
    await (this.#reloading ??= this.#reload().finally(() => (this.#reloading = undefined)));
    const hash = hashApiToken(token);
    // All are compared, so that the time says nothing about which of them is near.
    const [known] = this.#tokens.filter(({ sha256 }) => timingSafeEqual(Buffer.from(sha256, 'hex'), hash));
    return known?.caller;
  }

  async #reload(): Promise<void> {
    const read = await readTokens(this.#path, this.#stamp);
    if (!read) return;
    this.#stamp = read.stamp;
    if ('tokens' in read) this.#tokens = read.tokens;
    else this.#onFailure(read.errors);
  }
}

interface GoodTokens {
  readonly stamp: string;
  readonly tokens: readonly ApiToken[];
}

type ReadTokens = GoodTokens | { readonly stamp: string; readonly errors: readonly string[] };

/** Undefined: the file is as it was, also where that is broken or absent, which is told once. */
async function readTokens(path: string, known: string): Promise<ReadTokens | undefined> {
  let stamp = '';
  try {
    const { mtimeNs, ctimeNs, size, ino } = await stat(path, { bigint: true });
    stamp = [mtimeNs, ctimeNs, size, ino].join(':');
    if (stamp === known) return undefined;
    const outcome = parseApiTokens(await readFile(path, 'utf8'));
    return 'value' in outcome ? { stamp, tokens: outcome.value } : { stamp, errors: outcome.errors };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown';
    stamp = `${stamp} ${reason}`;
    return stamp === known ? undefined : { stamp, errors: [`cannot be read (${reason})`] };
  }
}
