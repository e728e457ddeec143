import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Digest } from '../core/reference.ts';

/** What a restart must know of a claim: that a PUT for it may be on its way, or has been acknowledged. */
export interface JournalEntry {
  readonly key: string;
  readonly digest: Digest;
  readonly confirmed: boolean;
  readonly expiresAtMs: number;
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
      if (++this.#lines > rewriteAfterLines + 2 * this.#live.size) await this.#rewrite();
      else await this.#file.appendFile(JSON.stringify(line) + '\n');
    });
    this.#last = appended.catch(() => undefined);
    return appended;
  }

  async #rewrite(): Promise<void> {
    const old = this.#file;
    this.#file = await rewrite(this.#path, this.#live);
    this.#lines = this.#live.size;
    await old.close();
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
    const entry = JSON.parse(line) as JournalEntry | Removal | null;
    return typeof entry?.key === 'string' ? entry : undefined;
  } catch {
    return undefined;
  }
}

async function rewrite(path: string, live: ReadonlyMap<string, JournalEntry>): Promise<FileHandle> {
  const file = await open(`${path}.new`, 'w', 0o600);
  await file.appendFile([...live.values()].map((entry) => JSON.stringify(entry) + '\n').join(''));
  await file.datasync();
  renameSync(`${path}.new`, path);
  return file;
}
