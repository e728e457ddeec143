import { connect, type Socket } from 'node:net';
import { parsePlainHead } from '../core/plain-head.ts';
import type { AnswerReceiver, Sending } from './answer-receiver.ts';
import type { ReadBuffers } from './read-buffers.ts';

/** What the answer is not, though it may be a good one: another reader has to ask for it again. */
export class NotPlain extends Error {
  override readonly name = 'NotPlain';
}

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly buffers: ReadBuffers;
  readonly connectTimeoutMs: number;
  /** It may be asked for something else now. */
  readonly onIdle: (connection: BlobConnection) => void;
  readonly onClosed: (connection: BlobConnection) => void;
}

const headLimitBytes = 64 * 1024;
const headBufferBytes = 16 * 1024;
/** So many buffers of one body may wait to be written before no more is read. */
const unwrittenLimit = 2;
/** A client that had to be waited for gets smaller pieces, until so many of them went through at once. */
const quickReads = 8;
const headEnd = '\r\n\r\n';

/**
 * One connection on which blobs are read, into buffers that are used over and over. Whatever is not as promised ends it:
 * nothing that was sent beyond an answer, or short of it, can be taken for a part of the next one.
 */
export class BlobConnection implements Sending {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  /** Never lent: what is read into it is copied. It is what an idle or waiting connection holds. */
  readonly #headBuffer = Buffer.allocUnsafeSlow(headBufferBytes);
  /** What the socket reads into next. */
  #next: Buffer = this.#headBuffer;
  #receiver: AnswerReceiver | undefined;
  #head = '';
  /** Of the body; undefined: the head is not here yet. */
  #missing: number | undefined;
  #unwritten = 0;
  #isPaused = false;
  #readsSincePause = quickReads;
  #isReusable = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { host, port, connectTimeoutMs } = options;
    this.#socket = connect({
      ...{ host, port, noDelay: true, keepAlive: true },
      onread: {
        buffer: () => this.#nextBuffer(),
        callback: (length, buffer) => this.#onRead(length, buffer as Buffer),
      },
    });
    this.#socket.setTimeout(connectTimeoutMs, () => {
      this.#fail(new Error(`no connection within ${connectTimeoutMs} ms`));
    });
    this.#socket
      .on('connect', () => this.#socket.setTimeout(0))
      .on('error', (error) => {
        this.#fail(error);
      })
      .on('end', () => {
        this.#fail(new Error('the upstream closed the connection'));
      })
      .on('close', () => {
        this.#fail(new Error('the connection ended'));
        this.#options.buffers.giveBack(this.#next);
        options.onClosed(this);
      });
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.writable;
  }

  /** INVARIANT: it is idle. */
  request(head: Buffer, receiver: AnswerReceiver): void {
    this.#receiver = receiver;
    this.#socket.ref().write(head);
  }

  /** An idle connection is no reason for the process to go on. */
  rest(): void {
    this.#socket.unref();
  }

  abort(): void {
    this.#receiver = undefined;
    this.#socket.destroy();
  }

  #nextBuffer(): Buffer {
    const isBodyUnderWay = this.#missing !== undefined && !this.#isPaused && this.isOpen;
    const isQuick = this.#readsSincePause >= quickReads;
    return (this.#next = isBodyUnderWay ? this.#options.buffers.take(isQuick) : this.#headBuffer);
  }

  /** @returns whether more is to be read */
  #onRead(length: number, buffer: Buffer): boolean {
    const isLent = buffer !== this.#headBuffer;
    if (!this.#receiver) {
      // Nobody has asked for it.
      this.abort();
    } else if (this.#missing === undefined) {
      this.#onHeadBytes(this.#receiver, buffer.subarray(0, length));
      return !this.#isPaused;
    } else if (length <= this.#missing) {
      const bytes = buffer.subarray(0, length);
      this.#onBody(this.#receiver, isLent ? bytes : Buffer.from(bytes), isLent ? buffer : undefined);
      return !this.#isPaused;
    } else {
      this.#fail(new Error('the upstream sent more than it promised'));
    }
    if (isLent) this.#options.buffers.giveBack(buffer);
    return false;
  }

  #onHeadBytes(receiver: AnswerReceiver, bytes: Buffer): void {
    const searchedFrom = Math.max(this.#head.length - headEnd.length, 0);
    const before = this.#head.length;
    this.#head += bytes.toString('latin1');
    const end = this.#head.indexOf(headEnd, searchedFrom);
    if ((end < 0 ? this.#head.length : end) > headLimitBytes) {
      this.#fail(new NotPlain('a head of more than 64 KiB'));
      return;
    }
    if (end < 0) return;
    const head = parsePlainHead(this.#head.slice(0, end));
    const rest = bytes.subarray(end + headEnd.length - before);
    if (!head || rest.length > head.length) {
      this.#fail(new NotPlain('an answer that is not plain'));
      return;
    }
    this.#head = '';
    this.#missing = head.length;
    this.#isReusable = head.isReusable;
    receiver.onHead(head);
    if (rest.length > 0 || head.length === 0) this.#onBody(receiver, Buffer.from(rest), undefined);
  }

  /** @param lent the buffer that the bytes are in, until they are written; undefined: they are nobody's */
  #onBody(receiver: AnswerReceiver, bytes: Buffer, lent: Buffer | undefined): void {
    // It may have been aborted in between.
    if (this.#receiver !== receiver || this.#missing === undefined) return;
    this.#missing -= bytes.length;
    this.#unwritten += 1;
    this.#isPaused = this.#unwritten >= unwrittenLimit && this.#missing > 0;
    this.#readsSincePause = this.#isPaused ? 0 : this.#readsSincePause + 1;
    if (bytes.length > 0)
      receiver.onBytes(bytes, () => {
        this.#onFreed(lent);
      });
    else this.#onFreed(lent);
    if (this.#missing === 0 && this.#receiver === receiver) this.#onWhole(receiver);
  }

  #onFreed(lent: Buffer | undefined): void {
    if (lent) this.#options.buffers.giveBack(lent);
    this.#unwritten -= 1;
    if (!this.#isPaused || this.#unwritten >= unwrittenLimit) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  #onWhole(receiver: AnswerReceiver): void {
    this.#receiver = undefined;
    this.#missing = undefined;
    this.#isPaused = false;
    this.#readsSincePause = quickReads;
    if (!this.#isReusable) this.#socket.destroy();
    receiver.onEnd();
    if (this.#isReusable) this.#options.onIdle(this);
  }

  #fail(error: Error): void {
    const receiver = this.#receiver;
    this.abort();
    receiver?.onFailure(error);
  }
}
