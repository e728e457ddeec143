import { kindPrefix } from '../adapters/token/token-callers.ts';
import { covers, requiredAccess, type Access } from '../core/access.ts';
import { formatChallenge, type Challenge } from '../core/challenge.ts';
import { RegistryError } from '../core/errors.ts';
import type { Operation } from '../core/operation.ts';
import { TokenRefused, type Callers } from '../core/ports.ts';
import type { Caller } from '../core/rule.ts';
import type { Exchange } from './exchange.ts';

/** How clients that lack access find a token. */
export interface TokenService {
  /** Absent: `/jwt/auth` under the address that the client used. */
  readonly realm: string | undefined;
  readonly service: string;
}

/** What a caller may do, as far as it is ours to say; `operation` is what is left of it. */
export interface Authorized {
  readonly caller: Caller;
  readonly operation: Operation;
}

/**
 * Finds out who asks, and whether the token grants what is asked. A refusal is 401 with a challenge, also where the
 * token is good and only lacks access: docker then asks for another one and goes on by itself.
 * @throws RegistryError UNAUTHORIZED; TOOMANYREQUESTS; NOT_FOUND for an extension whose access nobody knows
 */
export async function authorize(
  exchange: Exchange,
  operation: Operation,
  callers: Callers,
  service: TokenService,
): Promise<Authorized> {
  const required = requiredAccess(operation);
  const caller = await identify(exchange, callers, required ?? [], service);
  const verified = verifiedSubject(caller) ?? exchange.addressed.certified;
  if (verified !== undefined) exchange.quota.identified(verified);
  if (!caller.granted) return { caller, operation };
  if (!required)
    throw new RegistryError('NOT_FOUND', { message: 'this extension of the registry is not served here' });
  if (!covers(caller.granted, required)) {
    throw challenged(exchange, service, { required, error: 'insufficient_scope' });
  }
  return { caller, operation: withoutForeignMount(operation, caller.granted) };
}

/** Whom we verified ourselves, and who is one: not everybody's token, and not one of all jobs. */
function verifiedSubject({ subject, granted }: Caller): string | undefined {
  return granted && !subject?.startsWith(kindPrefix) ? subject : undefined;
}

async function identify(
  exchange: Exchange,
  callers: Callers,
  required: readonly Access[],
  service: TokenService,
): Promise<Caller> {
  try {
    return await callers.identify(exchange.req.rawHeaders, exchange.addressed.certified);
  } catch (cause) {
    if (!(cause instanceof TokenRefused)) throw cause;
    throw challenged(
      exchange,
      service,
      { required, ...(cause.wasGiven && { error: 'invalid_token' }) },
      cause,
    );
  }
}

function challenged(
  { addressed }: Exchange,
  { realm, service }: TokenService,
  challenge: Omit<Challenge, 'realm' | 'service'>,
  cause?: unknown,
): RegistryError {
  const ours = `${addressed.protocol}://${addressed.host}/jwt/auth`;
  return new RegistryError('UNAUTHORIZED', {
    challenges: [formatChallenge({ realm: realm ?? ours, service, ...challenge })],
    detail: { access: challenge.required },
    cause,
  });
}

/** A mount shows what is in `from`: without pull there it becomes an ordinary upload. */
function withoutForeignMount(operation: Operation, granted: readonly Access[]): Operation {
  if (operation.kind !== 'startUpload' || operation.from === undefined) return operation;
  if (covers(granted, [{ type: 'repository', name: operation.from, actions: ['pull'] }])) return operation;
  const { kind, repository, digest, digestAlgorithm } = operation;
  return {
    kind,
    repository,
    ...(digest !== undefined && { digest }),
    ...(digestAlgorithm !== undefined && { digestAlgorithm }),
  };
}
