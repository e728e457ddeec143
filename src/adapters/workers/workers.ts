import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { BaseLogger } from 'pino';
import type { Clock } from '../../core/ports.ts';
import { ForkedWorker } from './forked-worker.ts';

export interface WorkersOptions {
  readonly count: number;
  /** The module that a worker runs. */
  readonly entry: URL;
  readonly clock: Clock;
  readonly log: Pick<BaseLogger, 'info' | 'warn' | 'error'>;
  /**
   * Makes a new process serve.
   * @throws Error where it cannot
   */
  readonly begin: (worker: ForkedWorker) => Promise<void>;
  /** Asks one to end when it has finished what it is about. */
  readonly finish: (worker: ForkedWorker) => Promise<void>;
}

/** A worker that ended sooner may do so again at once. */
const soundAfterMs = 10_000;
const firstPauseMs = 100;
const longestPauseMs = 10_000;

/** So many processes that serve, each of which is replaced when it ends. */
export class Workers {
  readonly #options: WorkersOptions;
  readonly #running = new Set<ForkedWorker>();
  readonly #serving = new Set<ForkedWorker>();
  /** How many in a row ended soon after they had begun. */
  #failures = 0;
  #deaths = 0;
  #isClosing = false;

  constructor(options: WorkersOptions) {
    this.#options = options;
  }

  /** Those that serve now. */
  get serving(): readonly ForkedWorker[] {
    return [...this.#serving];
  }

  /** How many have ended though nobody had asked for it. */
  get deaths(): number {
    return this.#deaths;
  }

  /** @throws Error where the first of them cannot serve; then there may be some that do */
  async start(): Promise<void> {
    const { count, entry } = this.#options;
    cluster.setupPrimary({ exec: fileURLToPath(entry), args: [], serialization: 'advanced' });
    // Else one of them may take nearly all the connections (Node's documentation of cluster).
    cluster.schedulingPolicy = cluster.SCHED_RR;
    const workers = Array.from({ length: count }, () => this.#fork());
    await Promise.all(workers.map((worker) => this.#begin(worker)));
    for (const worker of workers) void this.#replaceAtItsEnd(worker, this.#options.clock.nowMs());
  }

  /** Lets them finish; who has not ended by then is killed. */
  async close(withinMs: number): Promise<void> {
    this.#isClosing = true;
    const workers = [...this.#running];
    for (const worker of workers) void this.#options.finish(worker).catch(() => undefined);
    const timer = setTimeout(() => {
      for (const worker of this.#running) {
        this.#options.log.error({ worker: worker.pid }, 'a worker does not end; it is killed');
        worker.kill();
      }
    }, withinMs);
    await Promise.all(workers.map((worker) => worker.ended));
    clearTimeout(timer);
  }

  #fork(): ForkedWorker {
    const worker = new ForkedWorker();
    this.#running.add(worker);
    void worker.ended.then(() => {
      this.#running.delete(worker);
      this.#serving.delete(worker);
    });
    return worker;
  }

  async #begin(worker: ForkedWorker): Promise<void> {
    await this.#options.begin(worker);
    // It may have ended meanwhile.
    if (this.#running.has(worker)) this.#serving.add(worker);
  }

  async #replaceAtItsEnd(worker: ForkedWorker, sinceMs: number): Promise<void> {
    const { clock, log } = this.#options;
    const end = await worker.ended;
    if (!this.#mayGoOn()) return;
    this.#deaths += 1;
    log.error({ worker: worker.pid, ...end }, 'a worker has ended; another one takes its place');
    this.#failures = clock.nowMs() - sinceMs < soundAfterMs ? this.#failures + 1 : 0;
    await clock.sleep(this.#pauseMs);
    await this.#replace();
  }

  async #replace(): Promise<void> {
    if (!this.#mayGoOn()) return;
    const { clock, log } = this.#options;
    const startedMs = clock.nowMs();
    const worker = this.#fork();
    void this.#replaceAtItsEnd(worker, startedMs);
    try {
      await this.#begin(worker);
      log.info({ worker: worker.pid }, 'a worker serves in the place of one that has ended');
    } catch (error) {
      if (this.#mayGoOn()) log.error({ worker: worker.pid, err: error }, 'a worker could not begin to serve');
      worker.kill();
    }
  }

  #mayGoOn(): boolean {
    return !this.#isClosing;
  }

  /** None for the first: one that is killed is not missed for longer than it takes to start another. */
  get #pauseMs(): number {
    if (this.#failures <= 1) return 0;
    return Math.min(firstPauseMs * 2 ** (this.#failures - 2), longestPauseMs);
  }
}
