import type { Clock } from '../core/ports.ts';
import { isReplacement, isSame, lookAt, type Look } from './file-look.ts';

/** What a file has become, while it is not yet known whether it will stay so. */
export interface Candidate {
  readonly look: Look;
  /** How many looks in a row found the same. */
  readonly looks: number;
  /** It came whole, in another file: no write in place. */
  readonly isReplacement: boolean;
}

export interface FileWatchOptions {
  /** What was found already and needs no judgement; absent: everything does. */
  readonly known?: Look;
  readonly path: string;
  readonly sizeLimitBytes: number;
  readonly clock: Clock;
  /** Takes a candidate, or refuses it for good; false where it takes more looks to tell. */
  readonly judge: (candidate: Candidate) => boolean | Promise<boolean>;
}

// Polled, not watched: inotify follows the inode, and so it misses a link that is swapped in another directory
// (Kubernetes), a bind mount, NFS. A look is an open and an fstat; nothing is read while nothing changes.
const lookEveryMs = 150;
/** Looks are counted and not milliseconds, for they stand still together with a machine that is suspended. */
const looksToJudge = 2;

/** Looks at a file again and again, and tells what became of it once two looks, 150 ms apart, found the same. */
export class FileWatch {
  readonly #options: FileWatchOptions;
  #candidate: Candidate;
  /** Nothing is left to be done about the candidate. */
  #isSettled: boolean;
  #isClosed = false;

  constructor(options: FileWatchOptions) {
    const { known = { failure: 'it was not looked at' } } = options;
    this.#options = options;
    this.#candidate = { look: known, looks: 1, isReplacement: false };
    this.#isSettled = options.known !== undefined;
    void this.#watch();
  }

  close(): void {
    this.#isClosed = true;
  }

  async #watch(): Promise<void> {
    const { path, sizeLimitBytes, clock } = this.#options;
    for (;;) {
      await clock.sleep(lookEveryMs);
      if (this.#isClosed) return;
      const known = this.#isSettled ? this.#candidate.look : undefined;
      await this.#see(await lookAt(path, sizeLimitBytes, known));
    }
  }

  async #see(look: Look): Promise<void> {
    if (this.#isClosed) return;
    const known = this.#candidate;
    const replaced = isReplacement(known.look, look);
    if (replaced || !isSame(known.look, look)) {
      this.#candidate = { look, looks: 1, isReplacement: replaced };
      this.#isSettled = false;
    } else {
      this.#candidate = { ...known, look, looks: known.looks + 1 };
    }
    if (!this.#isSettled && this.#candidate.looks >= looksToJudge)
      this.#isSettled = await this.#options.judge(this.#candidate);
  }
}
