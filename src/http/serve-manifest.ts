import type { KeptAnswer } from '../adapters/kept-answer.ts';
import { isBodyless } from '../adapters/raw-answer.ts';
import type { UpstreamAnswer } from '../adapters/upstream.ts';
import { isKnownTo } from '../core/entity-tag.ts';
import { mapHeaders, type HeaderList } from '../core/header-list.ts';
import { printOperation, type ReadMethod } from '../core/operation.ts';
import type { Clock } from '../core/ports.ts';
import type { Exchange } from './exchange.ts';
import { forward, type ForwardPorts } from './forward.ts';
import { requestHeaders, responseHeaders } from './headers.ts';
import type { Asking, ManifestAnswers } from './manifest-answers.ts';
import {
  mayMove,
  readQuestion,
  type Asker,
  type GetManifest,
  type ManifestQuestion,
} from './manifest-question.ts';
import { trailHeaders } from './trail.ts';

export interface ManifestPorts extends ForwardPorts {
  /** Absent: nothing is answered from memory. */
  readonly answers: ManifestAnswers | undefined;
  readonly clock: Clock;
}

/** Answers a read of a manifest: from memory where that is known to be what the upstream would say, else by forwarding. */
export async function serveManifest(
  exchange: Exchange,
  operation: GetManifest,
  asker: Asker,
  ports: ManifestPorts,
): Promise<void> {
  const { answers } = ports;
  const question = answers && readQuestion(exchange, operation, asker);
  if (!question) {
    answers?.forwarded();
    return forward(exchange, operation, ports);
  }
  const known = answers.find(question);
  if (known) return answerKept(exchange, question, known, ports);
  const asking = askingAs(exchange, operation, answers, ports);
  const serveUnknown = mayMove(question) ? serveMoving : serveFixed;
  if (await serveUnknown({ exchange, operation, question, asking, answers }, ports)) return;
  answers.forwarded();
  return forward(exchange, operation, ports);
}

interface Unknown {
  readonly exchange: Exchange;
  readonly operation: GetManifest;
  readonly question: ManifestQuestion;
  readonly asking: Asking;
  readonly answers: ManifestAnswers;
}

/** Whether it was answered: with what was asked for this request, or for one that asks the same. */
async function serveFixed(
  { exchange, operation, question, asking, answers }: Unknown,
  ports: ManifestPorts,
): Promise<boolean> {
  const { own, kept } = await exchange.trail.timing.asking(() => answers.ask(question, asking));
  // Nobody is there any more.
  if (exchange.req.socket.destroyed) return true;
  if (own) await answerOwn(exchange, operation.method, own, asking.shown(own), ports);
  else if (kept) await answerKept(exchange, question, kept, ports);
  return own !== undefined || kept !== undefined;
}

/** Whether it was answered: by the upstream, or with what was asked for several after all of them had come. */
async function serveMoving(
  { exchange, operation, question, asking, answers }: Unknown,
  ports: ManifestPorts,
): Promise<boolean> {
  const turn = answers.joined.enter(question, asking);
  if ('answered' in turn) {
    answers.forwarded();
    await forward(exchange, operation, { ...ports, onAnswer: turn.answered }).finally(turn.answered);
    return true;
  }
  const kept = await exchange.trail.timing.asking(() => turn.joined);
  if (exchange.req.socket.destroyed) return true;
  if (kept) await answerKept(exchange, question, kept, ports);
  return kept !== undefined;
}

/** Longer than this nobody waits for an answer to be read whole, before it is let stream. */
const readMs = 10_000;

/** With all that this caller sent, but the condition: whether the client has it already is found out here. */
function askingAs(
  exchange: Exchange,
  operation: GetManifest,
  { bodyLimitBytes }: ManifestAnswers,
  { upstream, idleMs }: ManifestPorts,
): Asking {
  const rewriting = {
    addressed: exchange.addressed,
    upstreamOrigin: upstream.origin,
    isWrite: false,
  };
  return {
    // Mostly it is not for us to send: then nothing is made of it.
    send: (method) => {
      const headers = mapHeaders(requestHeaders(exchange.headers, exchange), (name, value) =>
        name === 'if-none-match' ? undefined : value,
      );
      const request = { ...printOperation({ ...operation, method }), headers };
      return upstream.ask(request, Math.min(idleMs, readMs), bodyLimitBytes);
    },
    shown: (answer) => responseHeaders(answer.headers, answer.status, rewriting),
  };
}

/** Passes on what the upstream said to this very request. */
function answerOwn(
  exchange: Exchange,
  method: ReadMethod,
  { status, body }: UpstreamAnswer,
  shown: HeaderList,
  { idleMs }: ManifestPorts,
): Promise<void> | undefined {
  const { res, trail } = exchange;
  trail.upstreamStatus = status;
  res.writeHead(status, [...shown, ...trailHeaders(trail)]);
  res.end(method === 'HEAD' || isBodyless(status) ? undefined : body);
  return written(exchange, idleMs);
}

function answerKept(
  exchange: Exchange,
  { method, noneMatch }: ManifestQuestion,
  { entityTag, headers, body, askedMs, ageSeconds }: KeptAnswer,
  { clock, idleMs }: ManifestPorts,
): Promise<void> | undefined {
  const { res, trail } = exchange;
  trail.isFromMemory = true;
  // RFC 9111, section 4.2.3: since it was asked for, at the least.
  const age = String(ageSeconds + Math.floor((clock.nowMs() - askedMs) / 1000));
  const own = ['Age', age, ...trailHeaders(trail)];
  if (noneMatch !== undefined && isKnownTo(noneMatch, entityTag)) {
    res.writeHead(304, [...withoutContent(headers), ...own]).end();
  } else {
    res.writeHead(200, [...headers, ...own]);
    res.end(method === 'HEAD' ? undefined : body);
  }
  return written(exchange, idleMs);
}

/** RFC 9110, section 15.4.5: whoever has the content knows what is said of it. */
const ofContent = new Set(['content-length', 'content-type', 'last-modified']);

function withoutContent(headers: HeaderList): HeaderList {
  return mapHeaders(headers, (name, value) => (ofContent.has(name) ? undefined : value));
}

/**
 * Resolves when the client has it all, or is gone: who sends request after request and does not read is not answered
 * on. A client that reads nothing for `idleMs` is cut off.
 */
function written({ req, res, trail }: Exchange, idleMs: number): Promise<void> | undefined {
  if (res.writableLength === 0) return undefined;
  trail.timing.enter('answering');
  res.setTimeout(idleMs, () => res.destroy());
  return new Promise((resolve) => {
    const end = (): void => {
      res.off('close', end);
      req.socket.off('close', end);
      resolve();
    };
    // Both: a response that is not on the connection yet hears nothing of its end.
    res.once('close', end);
    req.socket.once('close', end);
  });
}
