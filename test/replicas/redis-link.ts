import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Test } from 'tap';

type State = 'open' | 'silent' | 'reset';

/** The network between one replica and Redis: it can be cut, and mended. */
export class RedisLink {
  readonly port: number;
  readonly #redisPort: number;
  readonly #connections = new Set<Connection>();
  #state: State = 'open';

  static async open(t: Test, redisPort: number): Promise<RedisLink> {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const link = new RedisLink(redisPort, (server.address() as AddressInfo).port);
    server.on('connection', (socket) => {
      link.#accept(socket);
    });
    t.teardown(() => {
      server.close();
      link.#resetAll();
    });
    return link;
  }

  private constructor(redisPort: number, port: number) {
    this.#redisPort = redisPort;
    this.port = port;
  }

  /** Nothing passes and nobody is told; as with TCP, what is sent meanwhile arrives once it is mended, however late. */
  silence(): void {
    this.#state = 'silent';
    for (const connection of this.#connections) connection.hold();
  }

  /** Every connection is reset, and every new one. */
  reset(): void {
    this.#state = 'reset';
    this.#resetAll();
  }

  mend(): void {
    this.#state = 'open';
    for (const connection of this.#connections) connection.flow();
  }

  #accept(socket: Socket): void {
    if (this.#state === 'reset') {
      reset(socket.on('error', () => undefined));
      return;
    }
    const connection = new Connection(socket, this.#redisPort);
    this.#connections.add(connection);
    connection.whenOver(() => this.#connections.delete(connection));
    if (this.#state === 'open') connection.flow();
  }

  #resetAll(): void {
    for (const connection of this.#connections) connection.reset();
  }
}

/** A connection of the replica, and ours to Redis for it, which is made when something may flow. */
class Connection {
  readonly #replica: Socket;
  readonly #redisPort: number;
  #redis: Socket | undefined;
  #isHeld = true;

  constructor(replica: Socket, redisPort: number) {
    this.#replica = replica.setNoDelay();
    this.#redisPort = redisPort;
    replica.on('error', () => undefined);
  }

  flow(): void {
    this.#isHeld = false;
    if (!this.#redis) {
      this.#redis = connect({ host: '127.0.0.1', port: this.#redisPort, noDelay: true, allowHalfOpen: true });
      this.#relay(this.#replica, this.#redis);
      this.#relay(this.#redis, this.#replica);
    }
    this.#replica.resume();
    this.#redis.resume();
  }

  hold(): void {
    this.#isHeld = true;
    this.#replica.pause();
    this.#redis?.pause();
  }

  reset(): void {
    reset(this.#replica);
    if (this.#redis) reset(this.#redis);
  }

  whenOver(callback: () => void): void {
    this.#replica.once('close', callback);
  }

  #relay(from: Socket, to: Socket): void {
    from.on('data', (chunk: Buffer) => {
      if (to.writable && !to.write(chunk)) from.pause();
    });
    to.on('drain', () => {
      if (!this.#isHeld) from.resume();
    });
    from.on('end', () => to.end());
    from.on('error', () => {
      reset(to);
    });
    from.on('close', () => {
      to.destroySoon();
    });
  }
}

/** A socket that is ending already must not be reset: Node would wait for it for ever when the process ends. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
