import { randomUUID } from 'node:crypto';
import { digestsOf } from '../adapters/digests.ts';
import { UpstreamFailure, type Upstream, type UpstreamAnswer } from '../adapters/upstream.ts';
import { tagsToLookUp } from '../core/decision.ts';
import { RegistryError } from '../core/errors.ts';
import { headerValues, type HeaderList } from '../core/header-list.ts';
import { digestsNamedIn } from '../core/manifest.ts';
import { printOperation, type PutManifest } from '../core/operation.ts';
import type { PushedDigests } from '../core/ports.ts';
import type { Digest } from '../core/reference.ts';
import type { Caller, RuleSet } from '../core/rule.ts';
import { readWhole } from './body.ts';
import type { CreateOncePorts } from './claim-tags.ts';
import { pushOnce, type PutOutcome } from './create-once.ts';
import { inviteBody, type Exchange } from './exchange.ts';
import { provenanceHeaders, requestHeaders, responseHeaders } from './headers.ts';
import { refusalError } from './refusal.ts';

export interface PushPorts extends CreateOncePorts {
  readonly upstream: Upstream;
  readonly idleMs: number;
  /** How long one PUT of a manifest may take; a claim outlives it. */
  readonly putDeadlineMs: number;
}

/** distribution-spec: registries accept at least this much, and clients send no more. */
const manifestLimitBytes = 4 * 1024 * 1024;
const answerLimitBytes = 1024 * 1024;

/**
 * Pushes a manifest, at most once and with a deadline, to tags that may be created only once or to any others.
 * @param rulesNow the rules in force, by which the push is not denied already; called when the body is here
 * @throws RegistryError
 */
export async function pushManifest(
  exchange: Exchange,
  operation: PutManifest,
  caller: Caller,
  rulesNow: () => RuleSet,
  ports: PushPorts,
): Promise<void> {
  const body = await readManifest(exchange, ports.idleMs);
  // A client may take its time to send it. Rules from before would let a push through that the present ones claim for.
  const rules = rulesNow();
  const put = (what: PutManifest): Promise<PutOutcome<UpstreamAnswer>> =>
    putManifest(exchange, what, body, ports);
  const tags = tagsToLookUp(rules, operation);
  if (tags.length === 0) {
    relay(exchange, await put(operation), ports.upstream);
    return;
  }
  refuseSigned(body);
  const asCaller = lookUpHeaders(exchange);
  const pushed = digestsOf(body);
  const push = { rules, operation, caller, tags, pushed, needs: needsOf(operation, pushed, body), asCaller };
  const result = await pushOnce({ ...push, holder: randomUUID() }, put, ports);
  switch (result.kind) {
    case 'refused':
      throw refusalError(result.decision);
    case 'unacknowledged':
      throw new RegistryError('UNAVAILABLE', {
        message: 'the push outlasted its claim, and whether the tag was created is not known; push it again',
        retryAfterSeconds: 5,
      });
    case 'sent':
      relay(exchange, result.outcome, ports.upstream);
  }
}

/** Its own name too, by SHA-256 and as the client calls it: a registry may know it by either. */
function needsOf({ reference }: PutManifest, { sha256 }: PushedDigests, body: Buffer): readonly Digest[] {
  const given = 'digest' in reference ? [reference.digest] : [];
  return [...new Set([sha256, ...given, ...digestsNamedIn(body.toString())])];
}

/** The caller's credentials and the host that the caller addressed: a look-up sees what the caller would see. */
export function lookUpHeaders({ req, addressed }: Exchange): HeaderList {
  const authorization = headerValues(req.rawHeaders, 'authorization');
  return [...authorization.flatMap((value) => ['Authorization', value]), ...provenanceHeaders(addressed)];
}

async function readManifest(exchange: Exchange, idleMs: number): Promise<Buffer> {
  // Decoded by some registries and not by others: its digest would not be that of what is stored.
  const encodings = headerValues(exchange.req.rawHeaders, 'content-encoding');
  if (encodings.some((encoding) => encoding.toLowerCase() !== 'identity')) {
    throw new RegistryError('UNSUPPORTED', { status: 415, message: 'a manifest may not be content-encoded' });
  }
  return readWhole(exchange.req, manifestLimitBytes, idleMs, () => {
    inviteBody(exchange);
  });
}

/**
 * A signed schema 1 manifest is stored under the digest of its bytes *without* the signatures. The same bytes, pushed
 * once as an OCI manifest and then as this, would be "the digest that the tag already has", and move the tag.
 */
function refuseSigned(body: Buffer): void {
  let manifest: unknown;
  try {
    manifest = JSON.parse(body.toString());
  } catch {
    return; // The registry says what it makes of that.
  }
  if (typeof manifest !== 'object' || manifest === null || !Object.hasOwn(manifest, 'signatures')) return;
  throw new RegistryError('MANIFEST_INVALID', {
    message: 'an immutable tag takes no signed (schema 1) manifest: its digest is not that of its bytes',
  });
}

async function putManifest(
  { headers: received, addressed }: Exchange,
  operation: PutManifest,
  body: Buffer,
  { upstream, putDeadlineMs }: PushPorts,
): Promise<PutOutcome<UpstreamAnswer>> {
  const headers = [...requestHeaders(received, addressed), 'Content-Length', String(body.length)];
  const request = { ...printOperation(operation), headers, body };
  try {
    const answer = await upstream.ask(request, putDeadlineMs, answerLimitBytes);
    const tags = headerValues(answer.headers, 'oci-tag').flatMap((value) => value.split(','));
    return { kind: 'answered', status: answer.status, tags: tags.map((tag) => tag.trim()), answer };
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    return { kind: error.sent ? 'lost' : 'notSent', error };
  }
}

function relay({ res, addressed }: Exchange, outcome: PutOutcome<UpstreamAnswer>, upstream: Upstream): void {
  if (outcome.kind !== 'answered') throw failure(outcome);
  const { status, headers, body } = outcome.answer;
  if (status >= 300 && status < 400) {
    throw new RegistryError('UNAVAILABLE', { status: 502, message: 'the upstream redirected a write' });
  }
  const rewriting = { addressed, upstreamOrigin: upstream.origin, isWrite: true };
  res.writeHead(status, responseHeaders(headers, status, rewriting));
  res.end(body);
}

function failure({ kind, error }: { kind: 'notSent' | 'lost'; error: Error }): RegistryError {
  if (kind === 'notSent') {
    return new RegistryError('UNAVAILABLE', {
      status: 502,
      message: 'the upstream registry is gone',
      cause: error,
    });
  }
  const timedOut = error instanceof UpstreamFailure && error.timedOut;
  return new RegistryError('UNAVAILABLE', {
    status: timedOut ? 504 : 502,
    message: 'the upstream registry did not answer, and may yet store the manifest; push it again',
    cause: error,
  });
}
