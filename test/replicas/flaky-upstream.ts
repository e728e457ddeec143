import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { mapHeaders } from '../../src/core/header-list.ts';
import { ask, type Answer } from '../fixtures/ask.ts';
import { answerOci, bodyOf } from '../fixtures/upstream.ts';
import { Strain } from './strain.ts';

/** A request for the manifest of a tag, on its way from a replica to the registry; what becomes of it is up to its fate. */
export interface Held {
  readonly tag: string;
  /** `127.0.0.1:PORT` of the replica that sent it. */
  readonly replica: string;
  /** Lets the registry have it: a PUT is committed then. */
  readonly pass: () => Promise<Answer>;
  readonly answer: (answer: Answer) => void;
  readonly fail: () => void;
  /** Ends the connection to the replica without an answer. */
  readonly cut: () => void;
}

export type Fate = (put: Held) => Promise<void>;

/** As if nothing were between them. */
export const relay: Fate = async (held) => {
  held.answer(await held.pass());
};

/** 500, although the registry has it. */
export const errorAfterCommit: Fate = async (held) => {
  await held.pass();
  held.fail();
};

export interface Lateness {
  readonly cutAfterMs: number;
  readonly commitAfterMs: number;
  /** By when it must have been committed, or the upstream would break what Tagwarden assumes of it. */
  readonly withinMs: number;
}

/** The connection is cut after a while, and the registry gets it long after; all counted from when it was sent. */
export function lateCommit({ cutAfterMs, commitAfterMs, withinMs }: Lateness): Fate {
  return async (held) => {
    const sentMs = performance.now();
    await sleep(cutAfterMs);
    held.cut();
    await sleep(commitAfterMs - cutAfterMs);
    const elapsedMs = (): number => performance.now() - sentMs;
    if (elapsedMs() > withinMs) return; // This process came too late to it: then it is lost.
    await held.pass();
    const tookMs = elapsedMs();
    if (tookMs > withinMs) throw new Error(`committed after ${tookMs} ms: too late to tell anything`);
  };
}

/** Between replicas and a registry: a proxy that does to the next request what it is told to. */
export class FlakyUpstream {
  readonly url: string;
  readonly strain: Strain;
  readonly #registryUrl: string;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #fates: { readonly method: string; readonly fate: Fate; readonly struck: (held: Held) => void }[] =
    [];
  readonly #running = new Set<Promise<void>>();
  /** By tag: a fate that did not come about as it was ordered. */
  readonly failures = new Map<string, unknown>();

  static async open(t: Test, registryUrl: string): Promise<FlakyUpstream> {
    const server = createServer({ requestTimeout: 0, keepAliveTimeout: 60_000 });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const upstream = new FlakyUpstream(`http://127.0.0.1:${port}`, registryUrl, Strain.watch(t));
    server.on('request', (req, res) => void upstream.#serve(req, res));
    t.teardown(() => {
      server.closeAllConnections();
      server.close();
      upstream.#agent.destroy();
    });
    return upstream;
  }

  private constructor(url: string, registryUrl: string, strain: Strain) {
    this.url = url;
    this.strain = strain;
    this.#registryUrl = registryUrl;
  }

  /** What the next request meets of this method that is about a tag; resolves when it has arrived. */
  next(method: 'PUT' | 'GET', fate: Fate): Promise<Held> {
    return new Promise((struck) => this.#fates.push({ method, fate, struck }));
  }

  /** Nothing is on its way any more. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    res.on('error', () => undefined);
    const { method = '', url: target = '' } = req;
    // Its replica may be killed before it is here whole.
    const body = await bodyOf(req).catch(() => undefined);
    if (!body) return;
    const tag = /^\/v2\/.+\/manifests\/([^:?]+)$/.exec(target)?.[1];
    const held: Held = {
      tag: tag ?? '',
      replica: req.headers.host ?? '',
      pass: () => this.#exchange(req, body),
      answer: (answer) => {
        write(res, answer);
      },
      fail: () => {
        answerOci(res, 500, 'UNKNOWN');
      },
      cut: () => req.socket.destroy(),
    };
    await this.#follow(held.tag, this.#fateOf(method, held)(held));
  }

  /** The one that was ordered first, if any is for such a request. */
  #fateOf(method: string, held: Held): Fate {
    const at = held.tag === '' ? -1 : this.#fates.findIndex((next) => next.method === method);
    const [next] = at < 0 ? [] : this.#fates.splice(at, 1);
    next?.struck(held);
    return next?.fate ?? relay;
  }

  #exchange({ method = '', url: target = '', rawHeaders }: IncomingMessage, body: Buffer): Promise<Answer> {
    const answer = ask(this.#registryUrl + target, {
      method,
      agent: this.#agent,
      headers: endToEnd(rawHeaders),
      ...(body.length > 0 && { body }),
    });
    return this.strain.during(answer);
  }

  async #follow(tag: string, run: Promise<void>): Promise<void> {
    this.#running.add(run);
    try {
      await run;
    } catch (error) {
      this.failures.set(tag, error);
    } finally {
      this.#running.delete(run);
    }
  }
}

/** Those that are about the message, and not about its connection or its framing, which are ours. */
function endToEnd(headers: readonly string[]): readonly string[] {
  const framing = new Set(['host', 'connection', 'keep-alive', 'content-length', 'transfer-encoding']);
  return mapHeaders(headers, (name, value) => (framing.has(name) ? undefined : value));
}

function write(res: ServerResponse, { status, headers, body }: Answer): void {
  res.writeHead(status, [...endToEnd(headers)]).end(body);
}
