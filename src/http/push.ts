import { randomUUID } from 'node:crypto';
import { digestsOf } from '../adapters/digests.ts';
import type { Upstream, UpstreamAnswer } from '../adapters/upstream.ts';
import { mayMove, tagsToLookUp } from '../core/decision.ts';
import { RegistryError } from '../core/errors.ts';
import { headerValues } from '../core/header-list.ts';
import { guardsDeletes } from '../core/judge-digest-delete.ts';
import { readNeeds, type ManifestNeeds } from '../core/manifest.ts';
import { printOperation, type PutManifest } from '../core/operation.ts';
import { CredentialsRefused, type Changes } from '../core/ports.ts';
import type { Caller, RuleSet } from '../core/rule.ts';
import type { PartsFact } from '../core/verdict.ts';
import { readWhole } from './body.ts';
import { pushAnnounced } from './announced-push.ts';
import type { Push } from './claim-tags.ts';
import { isSuccess, pushOnce, type Put, type PushResult, type PutOutcome } from './create-once.ts';
import { inviteBody, type Exchange } from './exchange.ts';
import { growingTag, pushGrowing, type GrowPorts } from './grow.ts';
import { requestHeaders } from './headers.ts';
import { lookUpHeaders, lookUpMs } from './look-up.ts';
import { refusalError } from './refusal.ts';
import { answerLimitBytes, noAnswer, relay, sendWrite } from './relay.ts';
import { mayBeUnlocked, pushMoving, type MovePorts } from './move.ts';
import type { Trail } from './trail.ts';
import { watch } from './watch.ts';

export interface PushPorts extends GrowPorts, MovePorts {
  readonly upstream: Upstream;
  readonly changes: Changes;
  readonly idleMs: number;
}

/** distribution-spec: registries accept at least this much, and clients send no more. */
const manifestLimitBytes = 4 * 1024 * 1024;

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
  exchange.trail.timing.enter('client');
  const body = await readManifest(exchange, ports.idleMs);
  exchange.trail.timing.enter('own');
  // A client may take its time to send it. Rules from before would let a push through that the present ones claim for.
  const rules = rulesNow();
  const pushed = digestsOf(body);
  exchange.trail.pushed = pushed.sha256;
  await watch({ exchange, operation, caller, pushed }, rules, ports);
  const put = (what: PutManifest): Promise<PutOutcome<UpstreamAnswer>> =>
    putManifest(exchange, what, body, ports);
  const tags = tagsToLookUp(rules, operation);
  if (tags.length === 0 && !guardsDeletes(rules, operation.repository)) {
    relayOutcome(exchange, await put(operation), ports.upstream);
    return;
  }
  if (tags.length > 0) refuseSigned(body);
  const needs = readNeeds(body.toString());
  const push = await prepared(exchange, { rules, operation, caller, tags, pushed }, needs, ports);
  const result = await pushAs(push, exchange.trail, body, put, ports);
  switch (result.kind) {
    case 'refused':
      throw refusalError(result.decision);
    case 'unacknowledged':
      throw new RegistryError('UNAVAILABLE', {
        message: 'the push outlasted its claim, and whether the tag was created is not known; push it again',
        retryAfterSeconds: 5,
      });
    case 'sent':
      if (isSuccess(result.outcome)) ports.needs.pushed(push.pushed.sha256, needs);
      relayOutcome(exchange, result.outcome, ports.upstream);
  }
}

/** Once, or in turn, or only by adding to what is there, or like any other. */
async function pushAs<Answer>(
  push: Push,
  trail: Trail,
  body: Buffer,
  put: Put<Answer>,
  ports: PushPorts,
): Promise<PushResult<Answer>> {
  const growing = await growingTag(push, ports);
  if (growing && 'effect' in growing) return { kind: 'refused', decision: growing };
  if (growing) return pushGrowing(push, growing, body.toString(), put, ports);
  if (push.tags.length === 0) return pushAnnounced(push, put, ports);
  if (push.tags.some((tag) => mayMove(push.rules, push.operation.repository, tag)))
    return pushMoving(push, trail, put, ports);
  const result = await pushOnce(push, put, ports);
  const isUnlocked = result.kind === 'refused' && (await mayBeUnlocked(push, result.decision, ports));
  return isUnlocked ? pushMoving(push, trail, put, ports) : result;
}

/** With all that no delete may take away from it meanwhile. */
async function prepared(
  exchange: Exchange,
  push: Pick<Push, 'rules' | 'operation' | 'caller' | 'tags' | 'pushed'>,
  { children, blobs }: ManifestNeeds,
  { needs }: PushPorts,
): Promise<Push> {
  const { repository, reference } = push.operation;
  const asCaller = lookUpHeaders(exchange);
  const asked = needs.partsOf({ repository, children, asCaller, withinMs: lookUpMs });
  // Who may push an index and not read its children goes on with what it names itself, where no look-up is needed.
  const parts = await (push.tags.length > 0 ? asked : asked.catch(unreadable));
  // Its own name too, by SHA-256 and as the client calls it: a registry may know it by either.
  const given = 'digest' in reference ? [reference.digest] : [];
  const all = [
    push.pushed.sha256,
    ...given,
    ...children,
    ...blobs,
    ...(parts.state === 'known' ? parts.parts : []),
  ];
  return { ...push, needs: [...new Set(all)], asCaller, holder: randomUUID() };
}

/** @throws what is no matter of credentials */
function unreadable(error: unknown): PartsFact {
  if (error instanceof CredentialsRefused) return { state: 'unknown', reason: error.message };
  throw error;
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
  exchange: Exchange,
  operation: PutManifest,
  body: Buffer,
  { upstream, changes, putDeadlineMs }: PushPorts,
): Promise<PutOutcome<UpstreamAnswer>> {
  const headers = [...requestHeaders(exchange.headers, exchange), 'Content-Length', String(body.length)];
  const request = { ...printOperation(operation), headers, body };
  const send = (): Promise<UpstreamAnswer> =>
    exchange.trail.timing.asking(() => upstream.ask(request, putDeadlineMs, answerLimitBytes));
  const answer = await sendWrite(operation.repository, send, changes);
  if ('kind' in answer) return answer;
  const tags = headerValues(answer.headers, 'oci-tag').flatMap((value) => value.split(','));
  return { kind: 'answered', status: answer.status, tags: tags.map((tag) => tag.trim()), answer };
}

function relayOutcome(exchange: Exchange, outcome: PutOutcome<UpstreamAnswer>, upstream: Upstream): void {
  if (outcome.kind !== 'answered') throw noAnswer(outcome, 'and may yet store the manifest; push it again');
  relay(exchange, outcome.answer, upstream);
}
