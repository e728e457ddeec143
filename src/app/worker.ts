import type { Logger } from 'pino';
import { startWorker } from '../app.ts';
import { Channel, type Wire } from '../adapters/workers/channel.ts';
import { greet } from '../adapters/workers/greeting.ts';
import { FollowedRules } from '../adapters/workers/followed-rules.ts';
import { Lease, leaseMs } from '../adapters/workers/lease.ts';
import { WorkerNotices } from '../adapters/workers/notice-board.ts';
import { clockSince } from '../adapters/workers/one-clock.ts';
import { remoteLogins } from '../adapters/workers/remote-logins.ts';
import { served } from '../adapters/workers/remote-port.ts';
import { remoteStore } from '../adapters/workers/remote-store.ts';
import type { Beat } from '../adapters/workers/rules-feed.ts';
import {
  workerMethods,
  workerPortName,
  type ServingReport,
  type WorkerPort,
  type WorkerSetup,
} from '../adapters/workers/worker-port.ts';
import { unpackConfig } from '../config/handing-over.ts';
import type { Notice } from '../core/notices.ts';
import type { Door } from './door.ts';
import { openLog } from './log.ts';
import { versionOnDisk } from './version.ts';

const lookEveryMs = 1_000;
/** All workers hear of their primary at about the same time: by then each of them knows that it is behind. */
const patienceMs = leaseMs + 1_000;

/** What there is once the primary has said what it is to be. */
interface Started {
  readonly log: Logger;
  readonly door: Door;
  readonly rules: FollowedRules;
  readonly notices: WorkerNotices;
}

/** A process that serves clients, and does what its primary asks of it (docs/workers.md). */
export class ServingWorker implements WorkerPort {
  readonly #channel: Channel;
  readonly #onClosed: () => void;
  #started: Started | undefined;
  #closing: Promise<void> | undefined;

  /** @param onClosed hears when everything is closed: the process may end */
  constructor(wire: Wire, onClosed: () => void) {
    this.#onClosed = onClosed;
    this.#channel = new Channel(wire);
    this.#channel.serve(workerPortName, served<WorkerPort>(this, workerMethods));
    void greet(this.#channel);
  }

  async start({
    version,
    config: packed,
    clockZeroMs,
    signingKey,
    ticketKeys: keys,
  }: WorkerSetup): Promise<void> {
    // One that is forked later loads what is there then.
    if (version !== versionOnDisk())
      throw new Error(`the program was replaced by ${versionOnDisk()} while ${version} runs; restart it`);
    const config = unpackConfig(packed);
    const channel = this.#channel;
    const log = await openLog(config);
    const clock = clockSince(clockZeroMs);
    const lease = new Lease(clock);
    const rules = new FollowedRules(lease);
    const notices = new WorkerNotices(channel, lease);
    const shared = signingKey === undefined ? undefined : { signingKey, logins: remoteLogins(channel) };
    const store = remoteStore(channel, clock);
    const ticketKeys = keys && Buffer.from(keys);
    const door = await startWorker(config, log, { clock, rules, store, notices, shared, ticketKeys });
    this.#started = { log, door, rules, notices };
    setInterval(() => {
      if (lease.silentForMs > patienceMs) channel.giveUp('the process that has the store is not heard of');
    }, lookEveryMs).unref();
  }

  take(beat: Beat): Promise<void> {
    this.#running.rules.take(beat);
    return Promise.resolve();
  }

  hear(notice: Notice): Promise<void> {
    this.#running.notices.hear(notice);
    return Promise.resolve();
  }

  listen(): Promise<string> {
    return this.#running.door.open();
  }

  report(): Promise<ServingReport> {
    return this.#running.door.report();
  }

  reopen(): Promise<void> {
    this.#started?.door.reopen();
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Something that nobody expected ends this process: what is on standard error is not in the log. */
  crashes(error: Error): void {
    this.#started?.log.fatal({ err: error }, 'a worker crashes');
  }

  async #close(): Promise<void> {
    await this.#started?.door.close();
    this.#onClosed();
  }

  get #running(): Started {
    if (!this.#started) throw new Error('the worker has not started');
    return this.#started;
  }
}
