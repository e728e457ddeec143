import type { Redis } from 'ioredis';
import { retryDelayMs } from './connection.ts';

export type Hear = (message: string | undefined) => void;

/** A connection on which nothing is sent does not notice that its other end has gone. */
const pingEveryMs = 1_000;

/** Hears channels on a connection of its own, which it opens anew as often as it is lost. */
export class Subscriptions {
  readonly #open: () => Redis;
  readonly #hearers = new Map<string, Hear[]>();
  #connection: Redis | undefined;
  #attempt = 0;
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** @param open opens a connection that does not reconnect by itself */
  constructor(open: () => Redis) {
    this.#open = open;
  }

  add(channel: string, hear: Hear): void {
    this.#hearers.set(channel, [...(this.#hearers.get(channel) ?? []), hear]);
    if (!this.#connection) this.#connect();
    else if (this.#connection.status === 'ready') void this.#subscribe(this.#connection, [channel]);
  }

  /** Leaves the server that it is connected to, where that may be the wrong one now. */
  reopen(): void {
    this.#connection?.disconnect();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#connection?.disconnect();
  }

  #connect(): void {
    const connection = this.#open();
    this.#connection = connection;
    const ping = setInterval(() => {
      if (connection.status === 'ready') connection.ping().catch(end);
    }, pingEveryMs);
    const end = (): void => {
      connection.disconnect();
    };
    // The other connection tells why.
    connection.on('error', () => undefined);
    connection.on('ready', () => void this.#subscribe(connection, [...this.#hearers.keys()]));
    connection.on('message', (channel, message) => {
      this.#tell([channel], message);
    });
    connection.once('end', () => {
      clearInterval(ping);
      if (this.#isClosed) return;
      this.#retry = setTimeout(() => {
        this.#connect();
      }, retryDelayMs(++this.#attempt));
    });
  }

  async #subscribe(connection: Redis, channels: readonly string[]): Promise<void> {
    try {
      await connection.subscribe(...channels);
      this.#attempt = 0;
      this.#tell(channels, undefined);
    } catch {
      connection.disconnect();
    }
  }

  #tell(channels: readonly string[], message: string | undefined): void {
    if (this.#isClosed) return;
    for (const channel of channels) {
      for (const hear of this.#hearers.get(channel) ?? []) hear(message);
    }
  }
}
