import type { Births } from '../core/births.ts';
import { isRepository, isTag, type Repository, type Tag } from '../core/reference.ts';
import type { Clock } from '../core/ports.ts';
import { AppendedLines } from './appended-lines.ts';
import { isText, parseObject } from './line-fields.ts';

interface Birth {
  readonly repository: Repository;
  readonly tag: Tag;
  /** Epoch milliseconds. */
  readonly bornMs: number;
}

/** Of one process: an append-only file of JSON lines, one for each tag. */
export class BirthsFile implements Births {
  readonly #lines: AppendedLines<Birth>;
  readonly #born: Map<string, number>;
  readonly #clock: Clock;

  private constructor(lines: AppendedLines<Birth>, born: Map<string, number>, clock: Clock) {
    this.#lines = lines;
    this.#born = born;
    this.#clock = clock;
  }

  /**
   * @throws Error where there is a file, but it cannot be read or is not whole
   */
  static async open(path: string, clock: Clock): Promise<BirthsFile> {
    const born = new Map<string, number>();
    const options = { path, parse: parseBirth, what: 'birth', key: 'immutability.birth_file' };
    const lines = await AppendedLines.open(options, ({ repository, tag, bornMs }) => {
      noteFirst(born, `${repository}:${tag}`, bornMs);
    });
    return new BirthsFile(lines, born, clock);
  }

  recall(repository: Repository, tag: Tag): Promise<number | undefined> {
    return Promise.resolve(this.#born.get(`${repository}:${tag}`));
  }

  /** @throws Error where it cannot be written */
  async note(repository: Repository, tag: Tag): Promise<void> {
    const name = `${repository}:${tag}`;
    if (this.#born.has(name)) return;
    const bornMs = this.#clock.nowMs();
    await this.#lines.append({ repository, tag, bornMs });
    noteFirst(this.#born, name, bornMs);
  }

  close(): Promise<void> {
    return this.#lines.close();
  }
}

function noteFirst(born: Map<string, number>, name: string, bornMs: number): void {
  born.set(name, Math.min(bornMs, born.get(name) ?? Infinity));
}

function parseBirth(text: string): Birth | undefined {
  const { repository, tag, bornMs } = parseObject(text);
  const isSound = isText(repository, isRepository) && isText(tag, isTag) && typeof bornMs === 'number';
  return isSound ? { repository, tag, bornMs } : undefined;
}
