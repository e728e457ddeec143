import { immutableSince } from '../core/decision.ts';
import { parseNoneMatch, type NoneMatch } from '../core/entity-tag.ts';
import type { HeaderList } from '../core/header-list.ts';
import { printOperation, type ReadMethod, type ReadOperation } from '../core/operation.ts';
import type { Reference, Repository } from '../core/reference.ts';
import type { Caller, RuleSet } from '../core/rule.ts';
import { hasBody } from './body.ts';
import type { Exchange } from './exchange.ts';
import { neverForwarded } from './headers.ts';

export type GetManifest = Extract<ReadOperation, { kind: 'getManifest' }>;

/** A read of a manifest that may be answered with what was answered to another that asked the same. */
export interface ManifestQuestion {
  /** All by which the upstream may choose its answer: whoever has the same key asks the same. */
  readonly key: string;
  readonly method: ReadMethod;
  readonly repository: Repository;
  readonly reference: Reference;
  /** Epoch milliseconds: what was asked before says nothing. Infinity: it may be another one at any time. */
  readonly sinceMs: number;
  /** The client wants it from the upstream. */
  readonly isRefresh: boolean;
  /** The client has these, and wants nothing if it is one of them; undefined: it has none. */
  readonly noneMatch: NoneMatch | undefined;
}

/** Whether nothing of it may be kept: only who asks at the same time may be answered with the same. */
export function mayMove({ sinceMs }: ManifestQuestion): boolean {
  return sinceMs === Infinity;
}

/** By whom it is asked, and by which rules. */
export interface Asker {
  readonly caller: Caller;
  readonly rules: RuleSet;
}

/**
 * Reads a request for a manifest.
 * @returns undefined where it must go its own way: somebody may be let in by it, or kept out, as others are not
 */
export function readQuestion(
  { req, headers, addressed, awaitsContinue }: Exchange,
  operation: GetManifest,
  { caller, rules }: Asker,
): ManifestQuestion | undefined {
  const { method, repository, reference } = operation;
  const isVerified = caller.granted !== undefined;
  // Known by something else than a token that we verified, which says nothing of what it may pull.
  if (!isVerified && caller.subject !== undefined) return undefined;
  if (awaitsContinue || hasBody(req) || !isPlain(operation, isVerified)) return undefined;
  const asked = readFields(headers, isVerified);
  if (!asked) return undefined;
  const sinceMs = 'digest' in reference ? 0 : (immutableSince(rules, repository, reference.tag) ?? Infinity);
  const { host, protocol } = addressed;
  const { target } = printOperation(operation);
  const key = `${isVerified ? 'verified' : 'bare'} ${protocol}://${host}${target}${asked.choices}`;
  const { isRefresh, noneMatch } = asked;
  return { key, method, repository, reference, sinceMs, isRefresh, noneMatch };
}

/** `ns` is containerd's, of mirrors: one name then stands for a repository in each, of which a token says nothing. */
function isPlain({ query }: GetManifest, isVerified: boolean): boolean {
  const [first] = query;
  return !first || (query.length === 1 && first[0] === 'ns' && !isVerified);
}

/** Heard by the upstream, and no reason for it to answer otherwise: who the client's program is, and how to find the request in logs. */
const harmless = new Set([
  'b3',
  'docker-distribution-api-version',
  'traceparent',
  'tracestate',
  'user-agent',
  'via',
  'x-amzn-trace-id',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-spanid',
  'x-b3-traceid',
  'x-cloud-trace-context',
  'x-request-id',
]);
/** A field that is named there does not go upstream, though it would be part of the key. */
const plainConnection = /^(?:keep-alive|close)$/i;
const wantsFresh = /^(?:no-cache|max-age=\d+)$/i;

/** `X-Scheme` is what an ingress says beside fields that are replaced: the upstream may make addresses of it. */
interface Fields extends Pick<ManifestQuestion, 'isRefresh' | 'noneMatch'> {
  /** The fields by which the upstream chooses, each on a line of its own. */
  readonly choices: string;
}

/** @returns undefined where there is a field of which nobody knows what the upstream makes of it */
function readFields(headers: HeaderList, isVerified: boolean): Fields | undefined {
  let choices = '';
  let isRefresh = false;
  const conditions: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = (headers[at] ?? '').toLowerCase();
    const value = headers[at + 1] ?? '';
    switch (name) {
      case 'accept':
      case 'accept-encoding':
      case 'x-scheme':
        choices += `\n${name}:${value}`;
        break;
      case 'authorization':
        if (!isVerified) return undefined;
        break;
      case 'connection':
        if (!plainConnection.test(value)) return undefined;
        break;
      case 'cache-control':
      case 'pragma':
        if (!wantsFresh.test(value)) return undefined;
        isRefresh = true;
        break;
      case 'if-none-match':
        conditions.push(value);
        break;
      default:
        if (!harmless.has(name) && !neverForwarded(name)) return undefined;
    }
  }
  if (conditions.length === 0) return { choices, isRefresh, noneMatch: undefined };
  const noneMatch = parseNoneMatch(conditions);
  return noneMatch && { choices, isRefresh, noneMatch };
}
