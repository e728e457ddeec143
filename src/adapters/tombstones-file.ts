import type { Tombstones } from '../core/ports.ts';
import { isDigest, isRepository, isTag, type Digest, type Repository, type Tag } from '../core/reference.ts';
import { AppendedLines } from './appended-lines.ts';
import { isText, parseObject } from './line-fields.ts';

/** `digest` absent: an unlock has set the name free, and the line says so. `replaces`: it gave it to another manifest. */
interface Line {
  readonly repository: Repository;
  readonly tag: Tag;
  readonly digest?: Digest;
  readonly replaces?: true;
  readonly free?: true;
}

const key = 'immutability.tombstone_file';

/** Of one process: an append-only file of JSON lines, one for each tag, and one for each unlock that changed it. */
export class TombstonesFile implements Tombstones {
  readonly #lines: AppendedLines<Line>;
  readonly #buried: Map<string, Digest>;
  /** What is on its way to the disk. */
  readonly #pending = new Map<string, Promise<void>>();

  private constructor(lines: AppendedLines<Line>, buried: Map<string, Digest>) {
    this.#lines = lines;
    this.#buried = buried;
  }

  /** @throws Error where there is a file, but it cannot be read or is not whole */
  static async open(path: string): Promise<TombstonesFile> {
    const buried = new Map<string, Digest>();
    const options = { path, parse: parseLine, what: 'tombstone', key };
    const lines = await AppendedLines.open(options, (line) => {
      apply(buried, line);
    });
    return new TombstonesFile(lines, buried);
  }

  recall(repository: Repository, tag: Tag): Promise<Digest | undefined> {
    return Promise.resolve(this.#buried.get(keyOf(repository, tag)));
  }

  /** @throws Error where it cannot be written; the next one tries again */
  async bury(repository: Repository, tag: Tag, digest: Digest): Promise<void> {
    const name = keyOf(repository, tag);
    if (this.#buried.has(name)) return;
    const pending = this.#pending.get(name);
    if (pending) return pending;
    const written = this.#write({ repository, tag, digest });
    this.#pending.set(name, written);
    try {
      await written;
    } finally {
      this.#pending.delete(name);
    }
  }

  async replace(repository: Repository, tag: Tag, digest: Digest | undefined): Promise<void> {
    const name = keyOf(repository, tag);
    await this.#pending.get(name)?.catch(() => undefined);
    if (this.#buried.get(name) === digest) return;
    await this.#write({
      repository,
      tag,
      ...(digest === undefined ? { free: true } : { digest, replaces: true }),
    });
  }

  close(): Promise<void> {
    return this.#lines.close();
  }

  async #write(line: Line): Promise<void> {
    try {
      await this.#lines.append(line);
    } catch (error) {
      const { repository, tag } = line;
      const message = `the tombstone of ${repository}:${tag} cannot be written (${(error as Error).message}); see ${key}`;
      throw new Error(message, { cause: error });
    }
    apply(this.#buried, line);
  }
}

/** Of several digests the first one stays, but for what an unlock does. */
function apply(buried: Map<string, Digest>, { repository, tag, digest, replaces }: Line): void {
  const name = keyOf(repository, tag);
  if (digest === undefined) buried.delete(name);
  else if (replaces || !buried.has(name)) buried.set(name, digest);
}

function keyOf(repository: Repository, tag: Tag): string {
  return `${repository}:${tag}`;
}

function parseLine(text: string): Line | undefined {
  const { repository, tag, digest, replaces, free } = parseObject(text);
  if (!isText(repository, isRepository) || !isText(tag, isTag)) return undefined;
  if (free === true && digest === undefined) return { repository, tag, free };
  if (!isText(digest, isDigest)) return undefined;
  return { repository, tag, digest, ...(replaces === true && { replaces }) };
}
