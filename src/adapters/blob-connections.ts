import type { AnswerReceiver, Sending } from './answer-receiver.ts';
import { BlobConnection, NotPlain } from './blob-connection.ts';
import { ReadBuffers } from './read-buffers.ts';
import type { UpstreamFailures } from './upstream-failures.ts';
import type { UpstreamRequest } from './upstream-request.ts';

/** Shorter than any registry keeps an idle connection, so that it is seldom closed under a request. */
const idleMs = 4_000;
const idleLimit = 64;
const connectTimeoutMs = 10_000;
const largeBuffersBytes = 32 * 1024 * 1024;
/** After so many answers in a row that were not plain, each of which costs a connection, it is not asked for a while. */
const notPlainLimit = 4;
const restMs = 60_000;

interface Idle {
  readonly connection: BlobConnection;
  readonly timer: NodeJS.Timeout;
}

/**
 * Reads blobs over plain HTTP, several times as fast as a general client could (docs/performance.md). It understands the
 * plainest answers alone; all others, and all failures before the answer began, are for whoever asks another way.
 */
export class BlobConnections {
  readonly #address: { readonly host: string; readonly port: number };
  readonly #failures: UpstreamFailures;
  readonly #buffers = new ReadBuffers(largeBuffersBytes);
  readonly #open = new Set<BlobConnection>();
  readonly #idle: Idle[] = [];
  #notPlain = 0;
  #restsUntilMs = 0;

  constructor(address: { readonly host: string; readonly port: number }, failures: UpstreamFailures) {
    this.#address = address;
    this.#failures = failures;
  }

  /** Whether it is worth while to ask. */
  get isWilling(): boolean {
    return performance.now() >= this.#restsUntilMs;
  }

  get(request: UpstreamRequest, receiver: AnswerReceiver): Sending {
    const connection = this.#takeIdle() ?? this.#connect();
    let isBegun = false;
    connection.request(printHead(request), {
      onHead: (head) => {
        this.#notPlain = 0;
        isBegun = true;
        receiver.onHead(head);
      },
      onBytes: (bytes, free) => {
        receiver.onBytes(bytes, free);
      },
      onEnd: () => {
        receiver.onEnd();
      },
      onFailure: (error) => {
        if (error instanceof NotPlain) this.#onNotPlain();
        // Of one that has not begun the outcome is that of whoever asks again.
        if (isBegun) this.#failures.count('cut');
        receiver.onFailure(error);
      },
    });
    return connection;
  }

  close(): void {
    for (const connection of this.#open) connection.abort();
  }

  #onNotPlain(): void {
    this.#notPlain += 1;
    if (this.#notPlain < notPlainLimit) return;
    this.#notPlain = 0;
    this.#restsUntilMs = performance.now() + restMs;
  }

  #connect(): BlobConnection {
    const connection = new BlobConnection({
      ...this.#address,
      buffers: this.#buffers,
      connectTimeoutMs,
      onIdle: (idle) => {
        this.#keep(idle);
      },
      onClosed: (closed) => {
        this.#open.delete(closed);
      },
    });
    this.#open.add(connection);
    return connection;
  }

  #takeIdle(): BlobConnection | undefined {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      clearTimeout(idle.timer);
      if (idle.connection.isOpen) return idle.connection;
    }
    return undefined;
  }

  #keep(connection: BlobConnection): void {
    if (this.#idle.length >= idleLimit) {
      connection.abort();
      return;
    }
    connection.rest();
    const timer = setTimeout(() => {
      const at = this.#idle.findIndex((idle) => idle.connection === connection);
      if (at >= 0) this.#idle.splice(at, 1);
      connection.abort();
    }, idleMs);
    this.#idle.push({ connection, timer: timer.unref() });
  }
}

/** What would end a line early, whatever parser lets it through. */
const unprintable = /[^\t\x20-\x7e\x80-\xff]/;

/** @throws Error for what cannot be on a line */
function printHead({ method, target, headers }: UpstreamRequest): Buffer {
  let head = `${method} ${target} HTTP/1.1`;
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const line = `${headers[at] ?? ''}: ${headers[at + 1] ?? ''}`;
    if (unprintable.test(line)) throw new Error('a header that is no line');
    head += `\r\n${line}`;
  }
  return Buffer.from(`${head}\r\n\r\n`, 'latin1');
}
