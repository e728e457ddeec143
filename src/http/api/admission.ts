import type { FastifyInstance, FastifyRequest } from 'fastify';
import { mayAct, type ApiCaller, type ApiRole } from '../../core/api-access.ts';
import { isRepository } from '../../core/reference.ts';
import type { ApiPorts } from './ports.ts';
import { forbidden, projectNotFound, tooManyAttempts, unauthorized } from './refusals.ts';

type Ports = Pick<ApiPorts, 'managed' | 'tokens' | 'attempts'>;

/** Whose request it is, and whose rules it is about. */
export interface Admitted {
  readonly caller: ApiCaller;
  /** In lower case. */
  readonly project: string;
}

const decorator = 'admitted';
const callerDecorator = 'apiCaller';

export function decorateWithAdmission(app: FastifyInstance): void {
  app.decorateRequest(decorator, null);
  app.decorateRequest(callerDecorator, null);
}

/** A hook for routes that are of no one project: it runs before a body is read. @throws ApiRefusal 401, 429 */
export function identify(
  ports: Pick<Ports, 'tokens' | 'attempts'>,
): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    request.setDecorator<ApiCaller>(callerDecorator, await authenticate(request, ports));
  };
}

export function callerOf(request: FastifyRequest): ApiCaller {
  return request.getDecorator<ApiCaller>(callerDecorator);
}

export function admittedOf(request: FastifyRequest): Admitted {
  return request.getDecorator<Admitted>(decorator);
}

/** A hook for routes with `:id`, a project: it runs before a body is read. */
export function admit(role: ApiRole, ports: Ports): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    const caller = await authenticate(request, ports);
    const { id } = request.params as { readonly id: string };
    const project = await projectOf(id, ports);
    if (project === undefined || !mayAct(caller, 'read', project)) throw projectNotFound();
    if (!mayAct(caller, role, project)) throw forbidden();
    request.setDecorator<Admitted>(decorator, { caller, project });
  };
}

/** @throws ApiRefusal 401, 429 */
async function authenticate(
  { headers, ip }: FastifyRequest,
  { tokens, attempts }: Pick<Ports, 'tokens' | 'attempts'>,
): Promise<ApiCaller> {
  const token = headers['private-token'] ?? /^bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  if (typeof token !== 'string') throw unauthorized();
  const caller = await tokens.callerOf(token);
  if (caller) return caller;
  const retryAfterSeconds = attempts.begin(ip, 'the management API');
  throw retryAfterSeconds > 0 ? tooManyAttempts(retryAfterSeconds) : unauthorized();
}

/** Digits are a number, as in GitLab, where no path of a project is without a slash. */
async function projectOf(id: string, { managed }: Pick<Ports, 'managed'>): Promise<string | undefined> {
  if (/^\d+$/.test(id)) {
    const { projects } = await managed.state();
    return projects.find(({ number }) => String(number) === id)?.path;
  }
  const path = id.toLowerCase();
  return isRepository(path) ? path : undefined;
}
