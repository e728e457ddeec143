import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ClaimBase } from '../core/claim.ts';
import type { Digest } from '../core/reference.ts';
import { syncDirectory } from './sync-directory.ts';

/** What a restart must know of a claim: that a PUT for it may be on its way, or has been acknowledged. */
export interface JournalEntry {
  readonly key: string;
  readonly digest: Digest;
  /** Absent in what an older version wrote. */
  readonly needs?: readonly Digest[];
  readonly confirmed: boolean;
  /** Somebody else may still write the same manifest, though it is confirmed. */
  readonly open?: true;
  readonly expiresAtMs: number;
  readonly base?: ClaimBase;
}

interface Removal {
  readonly key: string;
  readonly gone: true;
}

const rewriteAfterLines = 10_000;

/**
 * An append-only file of JSON lines; a line replaces the earlier ones of its key. A line that a crash cut short was
 * never waited for, so that nothing was sent for it, and is skipped.
 */
export class ClaimsJournal {
  readonly #path: string;
  readonly #live: Map<string, JournalEntry>;
  #file: FileHandle;
  #lines: number;
  /** Whether a write failed, perhaps half-way: what is written next must not continue its line. */
  #isTorn = false;
  #last: Promise<void> = Promise.resolve();
  #syncing: Promise<void> | undefined;

  private constructor(path: string, live: Map<string, JournalEntry>, file: FileHandle) {
    this.#path = path;
    this.#live = live;
    this.#file = file;
    this.#lines = live.size;
  }

  /**
   * Opens or creates the journal, rewritten to what has not expired at `nowMs`.
   * @throws Error of node:fs where the file cannot be read or written
   */
  static async open(path: string, nowMs: number): Promise<ClaimsJournal> {
    mkdirSync(dirname(path), { recursive: true });
    const live = readJournal(path, nowMs);
    return new ClaimsJournal(path, live, await rewrite(path, live));
  }

  entries(): readonly JournalEntry[] {
    return [...this.#live.values()];
  }

  /** Resolves when the entry is on the disk: what is sent after that survives a crash of the machine. */
  async record(entry: JournalEntry): Promise<void> {
    this.#live.set(entry.key, entry);
    await this.#append(entry);
    await this.#sync();
  }

  /** Without waiting for the disk, and without failing: to lose it only makes a restart more careful than it had to be. */
  async note(entry: JournalEntry): Promise<void> {
    this.#live.set(entry.key, entry);
    await this.#append(entry).catch(() => undefined);
  }

  /** As `note`. */
  async forget(key: string): Promise<void> {
    if (this.#live.delete(key)) await this.#append({ key, gone: true }).catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.#last.catch(() => undefined);
    await this.#file.close();
  }

  #append(line: JournalEntry | Removal): Promise<void> {
    const appended = this.#last.then(async () => {
      const isLong = ++this.#lines > rewriteAfterLines + 2 * this.#live.size;
      if (isLong && (await this.#rewrite())) return;
      const start = this.#isTorn ? '\n' : '';
      this.#isTorn = true;
      await this.#file.appendFile(`${start}${JSON.stringify(line)}\n`);
      this.#isTorn = false;
    });
    this.#last = appended.catch(() => undefined);
    return appended;
  }

  /** Whether it could be done: if not, the old file is as good as before. */
  async #rewrite(): Promise<boolean> {
    const file = await rewrite(this.#path, this.#live).catch(() => undefined);
    if (!file) return false;
    const old = this.#file;
    this.#file = file;
    this.#lines = this.#live.size;
    this.#isTorn = false;
    await old.close();
    return true;
  }

  /** One fdatasync serves every line that was appended before it began. */
  async #sync(): Promise<void> {
    if (this.#syncing) await this.#syncing;
    this.#syncing ??= this.#last
      .then(() => this.#file.datasync())
      .finally(() => {
        this.#syncing = undefined;
      });
    await this.#syncing;
  }
}

function readJournal(path: string, nowMs: number): Map<string, JournalEntry> {
  const live = new Map<string, JournalEntry>();
  for (const line of readIfThere(path).split('\n')) {
    const entry = parseLine(line);
    if (!entry) continue;
    if ('gone' in entry) live.delete(entry.key);
    else live.set(entry.key, entry);
  }
  for (const [key, entry] of live) if (entry.expiresAtMs <= nowMs) live.delete(key);
  return live;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function parseLine(line: string): JournalEntry | Removal | undefined {
  try {
    const written = JSON.parse(line) as Readonly<Record<string, unknown>> | null;
    return written && (isEntry(written) || isRemoval(written)) ? written : undefined;
  } catch {
    return undefined;
  }
}

function isEntry(written: object): written is JournalEntry {
  const { key, digest, needs, confirmed, expiresAtMs, base } = written as Partial<
    Record<keyof JournalEntry, unknown>
  >;
  return (
    (needs === undefined || Array.isArray(needs)) &&
    typeof key === 'string' &&
    typeof digest === 'string' &&
    typeof confirmed === 'boolean' &&
    typeof expiresAtMs === 'number' &&
    (base === undefined || isBase(base))
  );
}

function isBase(written: unknown): written is ClaimBase {
  const { digest, needs, expiresAtMs } = (written ?? {}) as Partial<Record<keyof ClaimBase, unknown>>;
  return typeof digest === 'string' && Array.isArray(needs) && typeof expiresAtMs === 'number';
}

function isRemoval(written: object): written is Removal {
  const { key, gone } = written as Partial<Record<keyof Removal, unknown>>;
  return typeof key === 'string' && gone === true;
}

async function rewrite(path: string, live: ReadonlyMap<string, JournalEntry>): Promise<FileHandle> {
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.appendFile([...live.values()].map((entry) => JSON.stringify(entry) + '\n').join(''));
    await file.datasync();
    renameSync(`${path}.new`, path);
  } catch (error) {
    await file.close();
    throw error;
  }
  await syncDirectory(dirname(path));
  return file;
}
