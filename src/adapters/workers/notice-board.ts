import type { Notice, Notices } from '../../core/notices.ts';
import { StoreAway, type Clock } from '../../core/ports.ts';
import type { Channel } from './channel.ts';
import { waitedOutMs, type Lease } from './lease.ts';

const portName = 'notices';

/** Of one worker, in its primary. */
export interface NoticeHearer {
  hear(notice: Notice): Promise<void>;
}

/** In the primary: passes on what one worker posts to all the others. */
export class NoticeBoard {
  readonly #hearers = new Set<NoticeHearer>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** From now on a worker is told what others post: before it serves, so that it misses nothing. */
  join(hearer: NoticeHearer): void {
    this.#hearers.add(hearer);
  }

  /** A worker may post. */
  serve(channel: Channel, hearer: NoticeHearer): void {
    channel.serve(portName, { post: (notice: Notice) => this.post(notice, hearer) });
  }

  leave(hearer: NoticeHearer): void {
    this.#hearers.delete(hearer);
  }

  /** Resolves when all but who posts it have heard, have ended, or know that they are behind. Never rejects. */
  async post(notice: Notice, by?: NoticeHearer): Promise<void> {
    const others = [...this.#hearers].filter((hearer) => hearer !== by);
    const heard = Promise.allSettled(others.map((hearer) => hearer.hear(notice)));
    await Promise.race([heard, this.#clock.sleep(waitedOutMs)]);
  }
}

/** In a worker. */
export class WorkerNotices implements Notices {
  readonly #channel: Channel;
  readonly #lease: Lease;
  readonly #hearers = new Map<string, ((about: string) => void)[]>();

  constructor(channel: Channel, lease: Lease) {
    this.#channel = channel;
    this.#lease = lease;
  }

  async post(notice: Notice): Promise<void> {
    try {
      await this.#channel.ask(portName, 'post', [notice]);
    } catch (error) {
      // The primary is gone, or stands still: the others know by now, too, that they are behind.
      if (!(error instanceof StoreAway)) throw error;
    }
  }

  onNotice(topic: string, hear: (about: string) => void): void {
    this.#hearers.set(topic, [...(this.#hearers.get(topic) ?? []), hear]);
  }

  hear({ topic, about }: Notice): void {
    for (const hear of this.#hearers.get(topic) ?? []) hear(about);
  }

  isBehind(): boolean {
    return this.#lease.isOver;
  }
}
