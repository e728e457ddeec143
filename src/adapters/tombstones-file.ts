import { mkdir, open, readFile, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Tombstones } from '../core/ports.ts';
import { isDigest, isRepository, isTag, type Digest, type Repository, type Tag } from '../core/reference.ts';
import { syncDirectory } from './sync-directory.ts';

interface Tombstone {
  readonly repository: Repository;
  readonly tag: Tag;
  readonly digest: Digest;
}

/** Of one process: an append-only file of JSON lines, one for each tag. There is none until there is something in it. */
export class TombstonesFile implements Tombstones {
  readonly #path: string;
  readonly #buried = new Map<string, Digest>();
  /** What is on its way to the disk. */
  readonly #pending = new Map<string, Promise<void>>();
  #last: Promise<void> = Promise.resolve();
  #file: FileHandle | undefined;
  /** Where the last whole line ends: what comes after it was cut short, and nobody relies on it. */
  #end = 0;
  /** What that line lacks. */
  #lineBreak: '\n' | '' = '';

  private constructor(path: string) {
    this.#path = path;
  }

  /** @throws Error where there is a file, but it cannot be read or is not whole */
  static async open(path: string): Promise<TombstonesFile> {
    const tombstones = new TombstonesFile(path);
    tombstones.#load(await readIfThere(path));
    return tombstones;
  }

  recall(repository: Repository, tag: Tag): Promise<Digest | undefined> {
    return Promise.resolve(this.#buried.get(keyOf(repository, tag)));
  }

  /** @throws Error where it cannot be written; the next one tries again */
  async bury(repository: Repository, tag: Tag, digest: Digest): Promise<void> {
    const key = keyOf(repository, tag);
    if (this.#buried.has(key)) return;
    const pending = this.#pending.get(key);
    if (pending) return pending;
    const written = this.#last.then(() => this.#append({ repository, tag, digest }));
    this.#last = written.catch(() => undefined);
    this.#pending.set(key, written);
    try {
      await written;
      this.#buried.set(key, digest);
    } finally {
      this.#pending.delete(key);
    }
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#file?.close();
  }

  /** What a crash cut short is no line: it was never waited for. Anything else that makes no sense may protect a tag. */
  #load(text: string): void {
    const lines = text.split('\n');
    for (const [index, line] of lines.entries()) {
      const tombstone = parseLine(line);
      const isLast = index === lines.length - 1;
      if (tombstone) {
        const { repository, tag, digest } = tombstone;
        const key = keyOf(repository, tag);
        if (!this.#buried.has(key)) this.#buried.set(key, digest);
        this.#lineBreak = isLast ? '\n' : '';
        this.#end += Buffer.byteLength(line) + (isLast ? 0 : 1);
      } else if (!isLast) {
        throw new Error(`${this.#path}:${index + 1} is no tombstone; mend the line, or remove it`);
      }
    }
  }

  async #append(tombstone: Tombstone): Promise<void> {
    const line = Buffer.from(`${this.#lineBreak}${JSON.stringify(tombstone)}\n`);
    try {
      this.#file ??= await create(this.#path);
      await this.#file.truncate(this.#end);
      await this.#file.appendFile(line);
      await this.#file.datasync();
    } catch (error) {
      const { repository, tag } = tombstone;
      const message = `the tombstone of ${repository}:${tag} cannot be written (${(error as Error).message}); see immutability.tombstone_file`;
      throw new Error(message, { cause: error });
    }
    this.#end += line.length;
    this.#lineBreak = '';
  }
}

function keyOf(repository: Repository, tag: Tag): string {
  return `${repository}:${tag}`;
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new Error(
      `cannot read the tombstones: ${(error as Error).message}; see immutability.tombstone_file`,
      {
        cause: error,
      },
    );
  }
}

function parseLine(line: string): Tombstone | undefined {
  try {
    const { repository, tag, digest } = JSON.parse(line) as Readonly<Record<string, unknown>>;
    const isSound = isText(repository, isRepository) && isText(tag, isTag) && isText(digest, isDigest);
    return isSound ? { repository, tag, digest } : undefined;
  } catch {
    return undefined;
  }
}

function isText<Text extends string>(value: unknown, isSound: (text: string) => text is Text): value is Text {
  return typeof value === 'string' && isSound(value);
}

async function create(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'a', 0o600);
  await syncDirectory(dirname(path));
  return file;
}
