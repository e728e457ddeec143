import type { BaseLogger } from 'pino';
import type { Clock } from '../../core/ports.ts';
import { isSame, lookAt, type Look } from '../file-look.ts';
import { FileWatch, type Candidate } from '../file-watch.ts';

/** By what the configuration calls the files. */
type Named<Of> = Readonly<Record<string, Of>>;
export type Texts = Named<string>;
type Looks = Named<Look>;

export interface WatchedFilesOptions<Value> {
  /** As `{ 'tls.cert_file': '/etc/tagwarden/tls.crt' }`. */
  readonly paths: Named<string>;
  /**
   * What the files are together.
   * @param before what is in force; undefined at the start
   * @throws Error whose message says why they are nothing, or nothing that may follow
   */
  readonly compose: (texts: Texts, before: Value | undefined) => Value;
  readonly clock: Clock;
  readonly log: Pick<BaseLogger, 'info' | 'error'>;
}

const sizeLimitBytes = 1024 * 1024;
/** Two files are never replaced in the same moment: for about a second they need not fit. */
const looksToRefuse = 7;

/**
 * Some files that are good only together, as a certificate and its key, and what becomes of them while we run. A set
 * that is broken, half written or half replaced leaves the last good one in force.
 */
export class WatchedFiles<Value> {
  readonly #options: WatchedFilesOptions<Value>;
  readonly #watches: readonly FileWatch[];
  readonly #hearers: ((value: Value) => void)[] = [];
  #looks: Looks;
  #taken: { readonly texts: Texts; readonly value: Value };
  #refused: Looks | undefined;
  #refusal: string | undefined;
  /** How often what the files had become could not be taken. */
  #failedReloads = 0;

  /**
   * Reads the files, and watches them from now on.
   * @throws Error with the names of the files and what is wrong
   */
  static async open<Value>(options: WatchedFilesOptions<Value>): Promise<WatchedFiles<Value>> {
    const looks = await lookAtAll(options.paths);
    try {
      const texts = textsOf(looks, options.paths);
      return new WatchedFiles(options, looks, { texts, value: options.compose(texts, undefined) });
    } catch (error) {
      throw new Error(`${Object.keys(options.paths).join(', ')}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  private constructor(
    options: WatchedFilesOptions<Value>,
    looks: Looks,
    taken: { texts: Texts; value: Value },
  ) {
    const { paths, clock } = options;
    this.#options = options;
    this.#looks = looks;
    this.#taken = taken;
    this.#watches = Object.entries(paths).map(([name, path]) => {
      const known = looks[name];
      return new FileWatch({
        ...{ ...(known && { known }), path, sizeLimitBytes, clock },
        judge: (candidate) => this.#judge(name, candidate),
      });
    });
  }

  get value(): Value {
    return this.#taken.value;
  }

  /** Why what the files are now is not in force; undefined where it is. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  onChange(hear: (value: Value) => void): void {
    this.#hearers.push(hear);
  }

  /** Takes what the files are now: whoever asks says that they are whole. */
  async reload(): Promise<void> {
    this.#looks = await lookAtAll(this.#options.paths);
    this.#refused = undefined;
    const reason = this.#take();
    if (reason !== undefined) this.#refuse(reason);
  }

  close(): void {
    for (const watch of this.#watches) watch.close();
  }

  #judge(name: string, { look, looks }: Candidate): boolean {
    this.#looks = { ...this.#looks, [name]: look };
    const reason = this.#take();
    if (reason === undefined) return true;
    if (looks < looksToRefuse) return false;
    this.#refuse(reason);
    return true;
  }

  /** Puts what was seen in force; answers why that cannot be. */
  #take(): string | undefined {
    const { paths, compose, log } = this.#options;
    const before = this.#taken;
    try {
      const texts = textsOf(this.#looks, paths);
      const isNew = Object.keys(texts).some((name) => texts[name] !== before.texts[name]);
      if (isNew) this.#taken = { texts, value: compose(texts, before.value) };
    } catch (error) {
      return (error as Error).message;
    }
    this.#refusal = undefined;
    if (this.#taken === before) return undefined;
    log.info({ files: paths }, 'files were replaced, and are in force');
    for (const hear of this.#hearers) hear(this.#taken.value);
    return undefined;
  }

  /** Once for each state of the files, though each of them is looked at by itself. */
  #refuse(reason: string): void {
    const { paths, log } = this.#options;
    if (this.#refused && isSameAll(this.#refused, this.#looks)) return;
    this.#refused = this.#looks;
    this.#refusal = reason;
    this.#failedReloads += 1;
    log.error(
      { files: paths, reason, failedReloads: this.#failedReloads },
      'files were replaced and are refused; the last good ones stay in force',
    );
  }
}

async function lookAtAll(paths: Named<string>): Promise<Looks> {
  const looks = Object.entries(paths).map(async ([name, path]): Promise<[string, Look]> => [
    name,
    await lookAt(path, sizeLimitBytes),
  ]);
  return Object.fromEntries(await Promise.all(looks));
}

/** @throws Error where one of them has no text */
function textsOf(looks: Looks, paths: Named<string>): Texts {
  const texts = Object.entries(looks).map(([name, look]) => {
    if ('failure' in look) throw new Error(`${paths[name] ?? name}: ${look.failure}`);
    return [name, look.text];
  });
  return Object.fromEntries(texts) as Texts;
}

function isSameAll(some: Looks, others: Looks): boolean {
  return Object.entries(some).every(([name, look]) => {
    const other = others[name];
    return other !== undefined && isSame(look, other);
  });
}
