import { decide, tagsToLookUp } from '../core/decision.ts';
import { hasCreateLevel } from '../core/judge-overwrite.ts';
import type { Decision } from '../core/verdict.ts';
import { RegistryError } from '../core/errors.ts';
import { isWrite, type Operation } from '../core/operation.ts';
import { parseOperation } from '../core/parse-operation.ts';
import type { Callers, RuleSource } from '../core/ports.ts';
import type { Caller, RuleSet } from '../core/rule.ts';
import { bindToken } from '../core/token-rules.ts';
import { authorize, type TokenService } from './authorize.ts';
import { deleteAtOnce, deleteNeeded, type DeletePorts, type Deleting } from './delete-digest.ts';
import { deleteImmutable, deleteInTurn, type DeleteTagPorts } from './delete-tag.ts';
import { hasBody } from './body.ts';
import type { Exchange } from './exchange.ts';
import { forward } from './forward.ts';
import { pushManifest, type PushPorts } from './push.ts';
import { refusalError } from './refusal.ts';
import { serveManifest, type ManifestPorts } from './serve-manifest.ts';
import { timedPorts } from './timed-ports.ts';
import type { UploadPorts } from './upload-location.ts';
import { watch } from './watch.ts';

export interface RegistryPorts extends PushPorts, DeletePorts, DeleteTagPorts, ManifestPorts {
  readonly rules: RuleSource;
  readonly callers: Callers;
  readonly tokenService: TokenService;
  /**
   * A write as it may go on.
   * @throws RegistryError UNAVAILABLE where no write can be judged now
   */
  readonly admitWrite: (exchange: Exchange) => Exchange;
  readonly uploads: UploadPorts;
}

/**
 * Serves one request under `/v2/`: parse, identify, decide, gather what the decision lacks, forward.
 * @throws RegistryError as the answer in place of a forwarded one
 */
export async function serveRegistry(received: Exchange, untimed: RegistryPorts): Promise<void> {
  const asked = parseOperation(received.req.method ?? '', received.target, untimed.uploads.seals);
  received.trail.asks = asked.kind;
  const { caller, operation } = await authorize(received, asked, untimed.callers, untimed.tokenService);
  const ports = isWrite(operation) ? timedPorts(untimed, received.trail.timing) : untimed;
  if (sendsContent(operation) && hasBody(received.req)) received.quota.upload();
  const judge = (): Judgement => {
    received.trail.judged = { operation, caller, rules: ports.rules.current() };
    const inForce = rulesFor(operation, ports.rules);
    const rules = bound(inForce, operation, caller);
    const decision = decide(rules, operation, caller, { nowMs: ports.clock.nowMs(), tags: new Map() });
    if (decision.effect === 'deny') throw refusalError(decision);
    return { rules, decision };
  };
  const { rules, decision } = judge();
  const exchange = isWrite(operation) ? ports.admitWrite(received) : received;
  // What is pushed must be known first.
  if (operation.kind !== 'putManifest') await watch({ exchange, operation, caller }, rules, ports);
  switch (operation.kind) {
    case 'getManifest':
      if (decision.effect !== 'allow') throw refusalError(decision);
      return serveManifest(exchange, operation, { caller, rules }, ports);
    case 'putManifest':
      // The rules may have changed by the time its body is here.
      return pushManifest(exchange, operation, caller, () => judge().rules, ports);
    case 'deleteTag':
      // Absent now may be present then: it is judged here, and answered here.
      if (tagsToLookUp(rules, operation).length > 0)
        return deleteImmutable(exchange, operation, caller, () => judge().rules, ports);
      if (decision.effect === 'allow' && hasCreateLevel(rules, operation.repository, operation.tag))
        return deleteInTurn(exchange, operation, caller, () => judge().rules, ports);
      return deleteUnneeded(exchange, operation, caller, { decision, judge }, ports);
    case 'deleteManifest':
    case 'deleteBlob':
      return deleteUnneeded(exchange, operation, caller, { decision, judge }, ports);
    default:
      return forwardAllowed(exchange, operation, decision, ports);
  }
}

/** What goes on to the upstream with a body. */
function sendsContent({ kind }: Operation): boolean {
  return kind === 'startUpload' || kind === 'upload' || kind === 'putManifest';
}

/** Not denied by what is known without a look-up, by the rules of one moment. */
interface Judgement {
  readonly rules: RuleSet;
  readonly decision: Decision;
}

/** @throws RegistryError UNAVAILABLE where a write cannot be judged: by no rules it would always be allowed */
function rulesFor(operation: Operation, rules: RuleSource): RuleSet {
  const doubt = isWrite(operation) ? rules.doubt() : undefined;
  if (doubt === undefined) return rules.current();
  throw new RegistryError('UNAVAILABLE', {
    message: `no write can be judged now: ${doubt}`,
    retryAfterSeconds: 5,
  });
}

/** The rules in force, and what the caller's token adds to them. */
function bound(rules: RuleSet, operation: Operation, caller: Caller): RuleSet {
  if (!isWrite(operation)) return rules;
  const bindings = bindToken(rules, operation.repository, caller);
  if ('effect' in bindings) throw refusalError(bindings);
  return bindings;
}

function forwardAllowed(
  exchange: Exchange,
  operation: Operation,
  decision: Decision,
  ports: RegistryPorts,
): Promise<void> {
  if (decision.effect !== 'allow') throw refusalError(decision);
  return forward(exchange, operation, ports);
}

/** At once where nobody is kept from deleting anything in the repository. */
async function deleteUnneeded(
  exchange: Exchange,
  operation: Deleting,
  caller: Caller,
  { decision, judge }: { readonly decision: Decision; readonly judge: () => Judgement },
  ports: RegistryPorts,
): Promise<void> {
  if (decision.effect === 'allow') return deleteAtOnce(exchange, operation, ports);
  return deleteNeeded(exchange, operation, caller, () => judge().rules, ports);
}

/** What cannot be told apart from a fault of ours: never a pass, and never the cause's own words. */
export function unexpected(cause: unknown): RegistryError {
  return new RegistryError('UNAVAILABLE', { message: 'the request could not be judged; try again', cause });
}
