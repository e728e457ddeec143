import { createHmac, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import bcrypt from 'bcryptjs';
import { LRUCache } from 'lru-cache';

/** Users by name, each with the hash of a password. */
type Users = ReadonlyMap<string, string>;

const bcryptGrammar = /^\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/;
const userGrammar = /^[^\s:]+$/;
/** bcrypt reads no further, and so a longer password would be good with any end. */
const passwordLimitBytes = 72;
const cost = 10;
const rememberMs = 60_000;
const rememberedLogins = 1_000;

export async function hashPassword(password: string): Promise<string> {
  if (Buffer.byteLength(password) > passwordLimitBytes) {
    throw new Error(`a password has at most ${passwordLimitBytes} bytes (bcrypt)`);
  }
  return bcrypt.hash(password, cost);
}

/** Reads what `htpasswd -B` writes: all of it, or every error. */
export function parseUsers(text: string): { readonly users: Users } | { readonly errors: readonly string[] } {
  const users = new Map<string, string>();
  const errors: string[] = [];
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const colon = line.indexOf(':');
    const [user, hash] = [line.slice(0, colon), line.slice(colon + 1).trim()];
    if (!userGrammar.test(user)) errors.push(`line ${at + 1}: must be USER:HASH`);
    else if (!bcryptGrammar.test(hash))
      errors.push(`line ${at + 1}: only bcrypt counts; use tagwarden hash-password`);
    else if (users.has(user)) errors.push(`line ${at + 1}: user ${user} is there twice`);
    users.set(user, hash);
  }
  return errors.length > 0 ? { errors } : { users };
}

/** The users file; a change counts at the next login, and what is broken leaves the last good users. */
export class UsersFile {
  readonly #path: string;
  readonly #onFailure: (errors: readonly string[]) => void;
  #users: Users;
  #stamp: string;
  // A login costs a tenth of a second of processor time; docker logs in for every token.
  readonly #logins = new LRUCache<string, string>({ max: rememberedLogins, ttl: rememberMs });
  readonly #loginKey = randomBytes(32);
  /** Under way: a client that fetches twenty images at once logs in twenty times at once. */
  readonly #comparing = new Map<string, Promise<boolean>>();

  private constructor(
    path: string,
    first: { users: Users; stamp: string },
    onFailure: (errors: readonly string[]) => void,
  ) {
    this.#path = path;
    this.#users = first.users;
    this.#stamp = first.stamp;
    this.#onFailure = onFailure;
  }

  /** @throws Error with a line for each error of the file */
  static async open(path: string, onFailure: (errors: readonly string[]) => void): Promise<UsersFile> {
    const read = await readUsers(path, '');
    if ('errors' in read) throw new Error(read.errors.map((error) => `${path}: ${error}`).join('\n'));
    return new UsersFile(path, read, onFailure);
  }

  /**
   * Whether the password is the user's; a user who is not there costs as much as one who is. `beforeComparing` hears of
   * every attempt that is neither remembered nor the same as one under way, and may end it by throwing.
   */
  async authenticate(
    user: string,
    password: string,
    beforeComparing: () => Promise<void> | void,
  ): Promise<boolean> {
    await this.#reload();
    const hash = this.#users.get(user);
    const login = createHmac('sha256', this.#loginKey)
      .update(JSON.stringify([user, password]))
      .digest('base64');
    if (hash !== undefined && this.#logins.get(login) === hash) return true;
    const attempt = `${login} ${hash ?? ''}`;
    const running = this.#comparing.get(attempt);
    if (running) return running;
    const comparing = this.#attempt(password, hash, beforeComparing).finally(() =>
      this.#comparing.delete(attempt),
    );
    this.#comparing.set(attempt, comparing);
    const isRight = await comparing;
    if (isRight && hash !== undefined) this.#logins.set(login, hash);
    return isRight;
  }

  async #attempt(
    password: string,
    hash: string | undefined,
    beforeComparing: () => Promise<void> | void,
  ): Promise<boolean> {
    await beforeComparing();
    return this.#compare(password, hash);
  }

  async #compare(password: string, hash: string | undefined): Promise<boolean> {
    const isTooLong = Buffer.byteLength(password) > passwordLimitBytes;
    const isRight = await bcrypt.compare(isTooLong ? '' : password, hash ?? hashOfNobody(this.#users));
    return isRight && hash !== undefined && !isTooLong;
  }

  /** Changes with the user's password, and is absent where there is no such user. */
  async fingerprint(user: string): Promise<string | undefined> {
    await this.#reload();
    const hash = this.#users.get(user);
    return hash === undefined
      ? undefined
      : createHmac('sha256', 'tagwarden').update(hash).digest('base64url').slice(0, 22);
  }

  async #reload(): Promise<void> {
    const known = this.#stamp;
    const read = await readUsers(this.#path, known, this.#users);
    // Another login may have read a newer file meanwhile.
    if (read.stamp === known && 'users' in read) return;
    this.#stamp = read.stamp;
    if ('errors' in read) this.#onFailure(read.errors);
    else this.#users = read.users;
  }
}

type ReadUsers = { readonly stamp: string } & (
  { readonly users: Users } | { readonly errors: readonly string[] }
);

/** Not read again where it is the file that `known` came from. */
async function readUsers(path: string, knownStamp: string, known: Users = new Map()): Promise<ReadUsers> {
  try {
    const { mtimeMs, size, ino } = await stat(path);
    const stamp = [mtimeMs, size, ino].join(':');
    if (stamp === knownStamp) return { stamp, users: known };
    return { stamp, ...parseUsers(await readFile(path, 'utf8')) };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown';
    return { stamp: knownStamp, errors: [`cannot be read (${reason})`] };
  }
}

/** For unknown users, who must cost as much as known ones: the form of a hash, at the cost that the file has, of no password. */
function hashOfNobody(users: Users): string {
  const [hash = `$2b$${cost}$`] = users.values();
  return hash.slice(0, 7) + randomBytes(40).toString('base64').replace(/[+=]/g, '.').slice(0, 53);
}
