import { mkdir, open, readFile, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from './sync-directory.ts';

export interface AppendedLinesOptions<Line> {
  readonly path: string;
  /** What a line says; undefined: it is none. */
  readonly parse: (text: string) => Line | undefined;
  /** In errors: as `a tombstone`. */
  readonly what: string;
  /** The key of the configuration that names the file. */
  readonly key: string;
}

/**
 * Of one process: an append-only file of lines, each durable when it is acknowledged. There is none until there is
 * something in it.
 */
export class AppendedLines<Line> {
  readonly #options: AppendedLinesOptions<Line>;
  #last: Promise<void> = Promise.resolve();
  #file: FileHandle | undefined;
  /** Where the last whole line ends: what comes after it was cut short, and nobody relies on it. */
  #end = 0;
  /** What that line lacks. */
  #lineBreak: '\n' | '' = '';

  private constructor(options: AppendedLinesOptions<Line>) {
    this.#options = options;
  }

  /**
   * @param hear of each line that is there
   * @throws Error where there is a file, but it cannot be read or is not whole
   */
  static async open<Line>(
    options: AppendedLinesOptions<Line>,
    hear: (line: Line) => void,
  ): Promise<AppendedLines<Line>> {
    const lines = new AppendedLines(options);
    lines.#load(await readIfThere(options), hear);
    return lines;
  }

  /** @throws Error where it cannot be written; the next one tries again */
  append(line: Line): Promise<void> {
    const written = this.#last.then(() => this.#append(line));
    this.#last = written.catch(() => undefined);
    return written;
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#file?.close();
  }

  /** What a crash cut short is no line: it was never waited for. Anything else that makes no sense may protect a tag. */
  #load(text: string, hear: (line: Line) => void): void {
    const { path, parse, what } = this.#options;
    const lines = text.split('\n');
    for (const [index, line] of lines.entries()) {
      const said = parse(line);
      const isLast = index === lines.length - 1;
      if (said !== undefined) {
        hear(said);
        this.#lineBreak = isLast ? '\n' : '';
        this.#end += Buffer.byteLength(line) + (isLast ? 0 : 1);
      } else if (!isLast) {
        throw new Error(`${path}:${index + 1} is no ${what}; mend the line, or remove it`);
      }
    }
  }

  async #append(line: Line): Promise<void> {
    const bytes = Buffer.from(`${this.#lineBreak}${JSON.stringify(line)}\n`);
    this.#file ??= await create(this.#options.path);
    await this.#file.truncate(this.#end);
    await this.#file.appendFile(bytes);
    await this.#file.datasync();
    this.#end += bytes.length;
    this.#lineBreak = '';
  }
}

async function readIfThere({ path, what, key }: AppendedLinesOptions<unknown>): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new Error(`cannot read the ${what}s: ${(error as Error).message}; see ${key}`, { cause: error });
  }
}

async function create(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'a', 0o600);
  await syncDirectory(dirname(path));
  return file;
}
