import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { AbstractConnector, type Redis, type RedisOptions } from 'ioredis';
import type { Address } from '../../config/addresses.ts';

type Connector = NonNullable<RedisOptions['Connector']>;

interface Place extends Address {
  readonly tls?: ConnectionOptions;
}

/** What ioredis makes of ours. */
interface Options extends Place {
  readonly disconnectTimeout: number;
}

// ioredis listens for one error of a socket only. One of TLS that is closed after its first error may have another
// one, which would end the process (github.com/redis/ioredis/pull/962).
function open({ host, port, tls }: Place): Socket {
  const socket = tls ? connectTls({ host, port, ...tls }) : connectTcp({ host, port });
  return socket.on('error', () => undefined);
}

/** @param onError hears why a socket could not be opened, or was lost */
export function directConnector(onError: (error: Error) => void = () => undefined): Connector {
  return class extends AbstractConnector {
    readonly #place: Place;

    constructor(options: unknown) {
      const place = options as Options;
      super(place.disconnectTimeout);
      this.#place = place;
    }

    override connect(): Promise<Socket> {
      this.connecting = true;
      this.stream = open(this.#place).once('error', (error: Error) => {
        this.firstError = error;
        onError(error);
      });
      return Promise.resolve(this.stream);
    }
  };
}

/**
 * Asks sentinels in turn where the master is, and connects to that.
 * @param openSentinel opens a connection that does not reconnect by itself
 */
export function masterConnector(
  sentinels: readonly Address[],
  name: string,
  openSentinel: (sentinel: Address) => Redis,
): Connector {
  return class extends AbstractConnector {
    readonly #tls: ConnectionOptions | undefined;
    #sentinels = [...sentinels];

    constructor(options: unknown) {
      const { tls, disconnectTimeout } = options as Options;
      super(disconnectTimeout);
      this.#tls = tls;
    }

    /** A former master that has become a replica: a sentinel that still names it knows less than the others. */
    override check({ role }: { readonly role?: string }): boolean {
      if (role === undefined || role === 'master') return true;
      this.#askAnotherNext();
      return false;
    }

    override async connect(): Promise<Socket> {
      this.connecting = true;
      const reasons: string[] = [];
      for (const sentinel of [...this.#sentinels]) {
        try {
          return await this.#connectBy(sentinel);
        } catch (error) {
          if (this.#isDropped()) throw error;
          reasons.push(`${sentinel.host}:${sentinel.port}: ${(error as Error).message}`);
          this.#askAnotherNext();
        }
      }
      throw new Error(`no sentinel names a master ${name} (${reasons.join('; ')})`);
    }

    async #connectBy(sentinel: Address): Promise<Socket> {
      const master = await ask(openSentinel(sentinel), name);
      if (this.#isDropped()) throw new Error('the connection was closed');
      const place = { ...master, ...(this.#tls && { tls: this.#tls }) };
      this.stream = open(place).once('error', (error: Error) => {
        this.firstError = error;
      });
      return this.stream;
    }

    /** `disconnect` was called meanwhile. */
    #isDropped(): boolean {
      return !this.connecting;
    }

    #askAnotherNext(): void {
      this.#sentinels = [...this.#sentinels.slice(1), ...this.#sentinels.slice(0, 1)];
    }
  };
}

async function ask(sentinel: Redis, name: string): Promise<Address> {
  const reasons: Error[] = [];
  sentinel.on('error', (error: Error) => reasons.push(error));
  try {
    const reply = await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name);
    if (!Array.isArray(reply)) throw new Error('it does not know it');
    return { host: String(reply[0]), port: Number(reply[1]) };
  } catch (error) {
    throw reasons[0] ?? error;
  } finally {
    sentinel.disconnect();
  }
}
