import { randomBytes } from 'node:crypto';
import type { BaseLogger } from 'pino';
import type { ForkedWorker } from '../adapters/workers/forked-worker.ts';
import { NoticeBoard } from '../adapters/workers/notice-board.ts';
import { zeroOf } from '../adapters/workers/one-clock.ts';
import { serveLogins } from '../adapters/workers/remote-logins.ts';
import { remote } from '../adapters/workers/remote-port.ts';
import { serveStore } from '../adapters/workers/remote-store.ts';
import { RulesFeed } from '../adapters/workers/rules-feed.ts';
import {
  workerMethods,
  workerPortName,
  type ServingReport,
  type WorkerPort,
  type WorkerSetup,
} from '../adapters/workers/worker-port.ts';
import { Workers } from '../adapters/workers/workers.ts';
import type { Config } from '../config/config.ts';
import { pack } from '../config/handing-over.ts';
import { added, handedDown } from '../core/metric-families.ts';
import { StoreAway, type Clock } from '../core/ports.ts';
import type { Series } from '../core/series.ts';
import type { Auth } from './auth.ts';
import { sumOf, type Door } from './door.ts';
import { longestClosingMs } from './listening.ts';
import type { Store } from './store.ts';
import { versionOnDisk } from './version.ts';

// TypeScript does not rewrite it, and runs as it is in the tests.
const entry = new URL(`../main/worker.${import.meta.url.slice(-2)}`, import.meta.url);

/** How long a worker may take to say how it is. */
const reportMs = 1_000;
/** What a process takes to end when its door is closed. */
const endMs = 5_000;

export interface PrimaryOptions {
  readonly config: Config;
  readonly store: Store;
  readonly auth: Auth;
  readonly clock: Clock;
  readonly log: Pick<BaseLogger, 'info' | 'warn' | 'error'>;
}

/**
 * Several processes that serve clients. This one, their primary, has what there is only once: the rules, what would be in
 * memory or in files, the management API. It serves no client itself.
 */
export class DoorOfWorkers implements Door {
  readonly #options: PrimaryOptions;
  readonly #setup: WorkerSetup;
  readonly #workers: Workers;
  readonly #feed: RulesFeed;
  readonly #board: NoticeBoard;
  readonly #ports = new Map<ForkedWorker, WorkerPort>();
  /** As each of them said last; and of those that have ended. */
  readonly #counted = new Map<ForkedWorker, Series>();
  #countedBefore: Series = {};
  #address = '';

  constructor(options: PrimaryOptions) {
    const { config, store, auth, clock, log } = options;
    this.#options = options;
    this.#setup = {
      version: versionOnDisk(),
      config: pack(config),
      clockZeroMs: zeroOf(clock),
      signingKey: auth.shared?.signingKey,
      ticketKeys: config.tls && randomBytes(48),
    };
    this.#feed = new RulesFeed(store.rules, clock);
    this.#board = new NoticeBoard(clock);
    this.#workers = new Workers({
      ...{ count: config.workers, entry, clock, log },
      begin: (worker) => this.#begin(worker),
      finish: async (worker) => {
        await worker.isHere;
        await this.#ports.get(worker)?.close();
      },
    });
  }

  async open(): Promise<string> {
    await this.#workers.start();
    return this.#address;
  }

  async report(): Promise<ServingReport> {
    const reports = await this.#ask(async (port, worker) => {
      const report = await port.report();
      // One that has ended was counted for the last time.
      if (this.#ports.has(worker)) this.#counted.set(worker, report.counts);
      return report;
    });
    const { needed, noted, sinceMs, levels } = sumOf(reports);
    const worker_deaths = this.#workers.deaths;
    const counts = { ...[...this.#counted.values()].reduce(added, this.#countedBefore), worker_deaths };
    const { workers } = this.#options.config;
    const state = reports.length === workers ? 'ok' : `${reports.length} of ${workers} serve`;
    return { needed: { workers: state, ...needed }, noted, sinceMs, counts, levels };
  }

  settled(): Promise<void> {
    return this.#feed.settled();
  }

  reopen(): void {
    void this.#ask((port) => port.reopen());
  }

  async close(): Promise<void> {
    await this.#workers.close(longestClosingMs(this.#options.config.shutdown) + endMs);
    this.#feed.close();
  }

  /** What each of those answers that serve, and answer soon. */
  async #ask<Answer>(
    question: (port: WorkerPort, worker: ForkedWorker) => Promise<Answer>,
  ): Promise<readonly Answer[]> {
    const answers = this.#workers.serving.map(async (worker): Promise<readonly Answer[]> => {
      const port = this.#ports.get(worker);
      if (!port) return [];
      const answer = question(port, worker).then((value) => [value]);
      const silence = this.#options.clock.sleep(reportMs).then(() => []);
      return Promise.race([answer, silence]).catch(() => []);
    });
    return (await Promise.all(answers)).flat();
  }

  /** @throws Error where it cannot serve */
  async #begin(worker: ForkedWorker): Promise<void> {
    const { channel } = worker;
    const { store, auth, log } = this.#options;
    const port = remote<WorkerPort>(channel, workerPortName, workerMethods);
    this.#ports.set(worker, port);
    void worker.ended.then(() => {
      this.#forget(worker, port);
    });
    serveStore(channel, store);
    if (auth.shared) serveLogins(channel, auth.shared.logins);
    this.#board.serve(channel, port);
    await worker.isHere;
    await port.start(this.#setup);
    // Both before it listens, so that it misses nothing.
    this.#board.join(port);
    await this.#feed.follow(
      (beat) => port.take(beat),
      (error) => {
        if (error instanceof StoreAway) return;
        log.error({ worker: worker.pid, err: error }, 'a worker cannot read the rules; it is killed');
        worker.kill();
      },
    );
    this.#isAt(await port.listen());
  }

  /** Where any free port will do, there is another one after the last worker has ended. */
  #isAt(address: string): void {
    const before = this.#address;
    this.#address = address;
    if (before !== '' && before !== address)
      this.#options.log.warn({ address, before }, 'the address is another one');
  }

  #forget(worker: ForkedWorker, port: WorkerPort): void {
    this.#board.leave(port);
    this.#ports.delete(worker);
    this.#countedBefore = handedDown(this.#countedBefore, this.#counted.get(worker) ?? {});
    this.#counted.delete(worker);
  }
}
