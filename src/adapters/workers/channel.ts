import { StoreAway } from '../../core/ports.ts';

/** What carries messages between two processes: in order, each of them once, or, after its end, never. */
export interface Wire {
  send(message: object): void;
  onMessage(hear: (message: unknown) => void): void;
}

/** A port by which another process may be asked: its methods by name, none of which is asked for but these. */
export type Served = Readonly<Record<string, (...args: never[]) => unknown>>;

type Message =
  | {
      readonly kind: 'question';
      readonly id: number;
      readonly port: string;
      readonly method: string;
      readonly args: readonly unknown[];
    }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  /** `isAway`: StoreAway is to arrive as StoreAway, for it alone means that nothing is known. */
  | { readonly kind: 'failure'; readonly id: number; readonly message: string; readonly isAway: boolean };

interface Asker {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * One end of what a primary and one worker of its tell each other: each serves ports to the other, by name. Nothing is
 * sent twice. What is asked may be done though its answer is not heard, as with any store that is shared.
 */
export class Channel {
  readonly #wire: Wire;
  readonly #ports = new Map<string, Served>();
  readonly #asking = new Map<number, Asker>();
  #questions = 0;
  #end: string | undefined;

  constructor(wire: Wire) {
    this.#wire = wire;
    wire.onMessage((message) => {
      this.#hear(message);
    });
  }

  serve(port: string, methods: Served): void {
    this.#ports.set(port, methods);
  }

  /** @throws StoreAway where the other end is gone, or says so; Error for whatever else was thrown there */
  ask(port: string, method: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#end !== undefined) return Promise.reject(new StoreAway(this.#end));
    const id = ++this.#questions;
    return new Promise((resolve, reject) => {
      this.#asking.set(id, { resolve, reject });
      this.#send({ kind: 'question', id, port, method, args });
    });
  }

  /** Nobody is there any more: whoever waits for an answer is told so, and whoever asks from now on. */
  hangUp(reason: string): void {
    this.#end = reason;
    this.giveUp(reason);
  }

  /** Nobody waits any longer for what was asked until now. */
  giveUp(reason: string): void {
    const waiting = [...this.#asking.values()];
    this.#asking.clear();
    for (const { reject } of waiting) reject(new StoreAway(reason));
  }

  #send(message: Message): void {
    this.#wire.send(message);
  }

  #hear(received: unknown): void {
    // INVARIANT: the other end is a Channel too.
    const message = received as Message;
    if (message.kind === 'question') {
      void this.#answer(message);
      return;
    }
    const asker = this.#asking.get(message.id);
    this.#asking.delete(message.id);
    if (message.kind === 'answer') asker?.resolve(message.value);
    else asker?.reject(message.isAway ? new StoreAway(message.message) : new Error(message.message));
  }

  async #answer({ id, port, method, args }: Extract<Message, { kind: 'question' }>): Promise<void> {
    try {
      const methods = this.#ports.get(port);
      const named = methods && Object.hasOwn(methods, method) ? methods[method] : undefined;
      if (!named) throw new Error(`nobody serves ${port}.${method} here`);
      const value: unknown = await Reflect.apply(named, methods, args);
      this.#send({ kind: 'answer', id, value });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#send({ kind: 'failure', id, message, isAway: error instanceof StoreAway });
    }
  }
}
