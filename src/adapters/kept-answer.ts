import { headerValues, soleHeader, type HeaderList } from '../core/header-list.ts';
import { describingHeaders, freshened, keepable, type Keepable } from '../core/kept-answer.ts';
import type { ReadMethod } from '../core/operation.ts';
import type { Digest, Reference } from '../core/reference.ts';
import type { Moment } from '../core/repository-changes.ts';
import { digestsOf } from './digests.ts';
import type { UpstreamAnswer } from './upstream.ts';

/** When the upstream was asked for what it then answered: from then on it may have been otherwise. */
export interface Proof {
  /** Epoch milliseconds. */
  readonly askedMs: number;
  readonly moment: Moment;
}

/** An answer that the upstream gave, to be given again. */
export interface KeptAnswer extends Proof {
  readonly digest: Digest;
  readonly type: string;
  /** Quoted, as in `ETag`. */
  readonly entityTag: string;
  readonly headers: HeaderList;
  /** Absent: only a `HEAD` was answered. */
  readonly body: Buffer | undefined;
  /** When it was asked for as a whole, in epoch milliseconds. */
  readonly readMs: number;
  /** Epoch milliseconds; not from then on. */
  readonly untilMs: number;
  /** How old it was when it was asked for. */
  readonly ageSeconds: number;
}

/** What was asked, and answered. */
export interface Seen extends Proof {
  readonly method: ReadMethod;
  readonly reference: Reference;
  readonly answer: UpstreamAnswer;
  /** The answer's headers as clients are shown them. */
  readonly shown: HeaderList;
}

/**
 * What is kept of an answer.
 * @param before what was kept until then: a `HEAD` may show that it is still right
 * @returns undefined where nothing may be
 */
export function keptAnswer(
  seen: Seen,
  before: KeptAnswer | undefined,
  lifetimeMs: number,
): KeptAnswer | undefined {
  const { method, reference, answer, askedMs, moment } = seen;
  const isOf = (digest: Digest): boolean => digestsOf(answer.body).includes(digest);
  const found = keepable(answer, reference, method === 'GET' ? isOf : undefined);
  if (!found) return undefined;
  const { digest, type, ageSeconds, lifetimeSeconds } = found;
  const isRenewed =
    method === 'HEAD' && before?.body !== undefined && isStill(before, before.body, found, answer);
  const described = describingHeaders(seen.shown);
  const headers = isRenewed ? freshened(before.headers, described) : withLength(described, seen, digest);
  return {
    ...{ digest, type, headers, askedMs, moment, ageSeconds },
    entityTag: soleHeader(headers, 'etag') ?? quoted(digest),
    body: isRenewed ? before.body : bodyOf(seen),
    readMs: isRenewed ? before.readMs : askedMs,
    untilMs: askedMs + Math.min(lifetimeMs, (lifetimeSeconds - ageSeconds) * 1000),
  };
}

function isStill(before: KeptAnswer, body: Buffer, found: Keepable, { headers }: UpstreamAnswer): boolean {
  const lengths = headerValues(headers, 'content-length');
  return (
    before.digest === found.digest &&
    before.type === found.type &&
    lengths.every((length) => length === String(body.length))
  );
}

function withLength(described: HeaderList, { method, answer }: Seen, digest: Digest): HeaderList {
  const length = method === 'GET' ? String(answer.body.length) : soleHeader(answer.headers, 'content-length');
  const hasTag = headerValues(described, 'etag').length > 0;
  return [
    ...described,
    ...(hasTag ? [] : ['ETag', quoted(digest)]),
    ...(length === undefined ? [] : ['Content-Length', length]),
  ];
}

function quoted(digest: Digest): string {
  return `"${digest}"`;
}

/** In memory of its own: a small one would keep all of what it was cut out of. */
function bodyOf({ method, answer: { body } }: Seen): Buffer | undefined {
  if (method !== 'GET') return undefined;
  const copy = Buffer.allocUnsafeSlow(body.length);
  body.copy(copy);
  return copy;
}
