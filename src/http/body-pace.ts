import type { IncomingMessage, ServerResponse } from 'node:http';
import { hasBody } from './body.ts';
import { peerOf } from './forwarded.ts';

export interface Pace {
  /** 0: a byte now and then is enough. */
  readonly bytesPerSecond: number;
  /**
   * Over which that is measured. Longer than the idle timeout: what stands still is cut by that one, with an answer.
   */
  readonly windowMs: number;
  /** Hears the address of each client who was too slow. */
  readonly onCut: (client: string) => void;
}

interface Body {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  sinceMs: number;
  bytesBefore: number;
}

const looksPerWindow = 10;

/** Cuts bodies that only pretend to arrive. Time in which it is we who do not read them does not count. */
export class BodyPace {
  readonly #pace: Pace;
  readonly #bodies = new Set<Body>();
  #looking: NodeJS.Timeout | undefined;

  constructor(pace: Pace) {
    this.#pace = pace;
  }

  watch(req: IncomingMessage, res: ServerResponse): void {
    if (this.#pace.bytesPerSecond === 0 || req.complete || !hasBody(req)) return;
    const body = { req, res, sinceMs: performance.now(), bytesBefore: req.socket.bytesRead };
    this.#bodies.add(body);
    this.#looking ??= setInterval(() => {
      this.#look();
    }, this.#pace.windowMs / looksPerWindow).unref();
  }

  #look(): void {
    const nowMs = performance.now();
    for (const body of this.#bodies) {
      const { req, res } = body;
      // An answer has begun: what is left of the body is drained, with a deadline of its own.
      if (req.complete || req.destroyed || req.socket.destroyed || res.headersSent) this.#bodies.delete(body);
      else if (req.readableFlowing !== true) this.#begin(body, nowMs);
      else if (nowMs - body.sinceMs >= this.#pace.windowMs) this.#judge(body, nowMs);
    }
    if (this.#bodies.size > 0) return;
    clearInterval(this.#looking);
    this.#looking = undefined;
  }

  #begin(body: Body, nowMs: number): void {
    body.sinceMs = nowMs;
    body.bytesBefore = body.req.socket.bytesRead;
  }

  #judge(body: Body, nowMs: number): void {
    const { req } = body;
    const bytes = req.socket.bytesRead - body.bytesBefore;
    const isSlow = (bytes * 1000) / (nowMs - body.sinceMs) < this.#pace.bytesPerSecond;
    if (!isSlow) {
      this.#begin(body, nowMs);
      return;
    }
    this.#bodies.delete(body);
    this.#pace.onCut(peerOf(req.socket));
    req.socket.destroy();
  }
}
