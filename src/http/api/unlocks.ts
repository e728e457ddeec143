import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Type, type Static } from 'typebox';
import { mayAct, type ApiCaller } from '../../core/api-access.ts';
import { StoreAway } from '../../core/ports.ts';
import { isRepository, isTag } from '../../core/reference.ts';
import { isReferrerTag } from '../../core/referrer-tag.ts';
import { longestUnlockMs, unlockActions, type Unlock, type UnlockRequest } from '../../core/unlock.ts';
import { callerOf, identify } from './admission.ts';
import type { ApiPorts } from './ports.ts';
import { ApiRefusal, forbidden, projectNotFound } from './refusals.ts';

const newUnlock = Type.Object({
  repository: Type.String({ examples: ['flightjs/flight'] }),
  tag: Type.String({ examples: ['v1.0'] }),
  actions: Type.Array(Type.Enum(unlockActions), { minItems: 1 }),
  subject: Type.Optional(
    Type.String({ description: 'Whom alone it is for; absent: whoever may push or delete otherwise.' }),
  ),
  reason: Type.String({ description: 'For those who read the audit later.' }),
  expires_in: Type.Integer({ description: 'Seconds, at most a day.', examples: [900] }),
});

const unlockObject = Type.Object({
  id: Type.String(),
  repository: Type.String(),
  tag: Type.String(),
  actions: Type.Array(Type.Enum(unlockActions)),
  subject: Type.Optional(Type.String()),
  reason: Type.String(),
  created_by: Type.String(),
  expires_at: Type.String({ format: 'date-time' }),
});
type UnlockObject = Static<typeof unlockObject>;

const reasonLengthLimit = 500;
/** All are read for each push that would be refused. */
const unlockLimit = 1_000;

/** `/v4/unlocks`: exceptions to the immutable rules of one tag, that end by themselves. */
export function unlockRoutes(app: FastifyInstance, ports: ApiPorts): void {
  const described = { tags: ['unlocks'], security: [{ privateToken: [] }, { bearer: [] }] };
  const onRequest = identify(ports);
  app.get(
    '/v4/unlocks',
    {
      onRequest,
      schema: {
        ...described,
        summary: 'List the unlocks that have not ended',
        response: { 200: Type.Array(unlockObject) },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const all = await ports.unlocks.all();
      return all.filter(({ repository }) => mayAct(caller, 'read', repository)).map(show);
    },
  );
  app.post(
    '/v4/unlocks',
    {
      onRequest,
      schema: {
        ...described,
        summary: 'Unlock an immutable tag for a while',
        body: newUnlock,
        response: { 201: unlockObject },
      },
    },
    async (request, reply) => {
      const unlock = await make(request, ports);
      return reply.code(201).send(show(unlock));
    },
  );
  app.delete(
    '/v4/unlocks/:id',
    { onRequest, schema: { ...described, summary: 'End an unlock early' } },
    async (request, reply) => {
      const caller = callerOf(request);
      const { id } = request.params as { readonly id: string };
      const unlock = (await ports.unlocks.all()).find((one) => one.id === id);
      if (!unlock || !mayAct(caller, 'read', unlock.repository)) throw notFound();
      if (!mayAct(caller, 'unlock', unlock.repository)) throw forbidden();
      await ports.unlocks.end(id);
      tell(ports, 'lock', unlock, caller, request);
      return reply.code(204).send();
    },
  );
}

/** @throws ApiRefusal, StoreAway */
async function make(request: FastifyRequest, ports: ApiPorts): Promise<Unlock> {
  const caller = callerOf(request);
  const body = request.body as Static<typeof newUnlock>;
  const asked = read(body, caller);
  if ((await ports.unlocks.all()).length >= unlockLimit) {
    const message = `There are ${unlockLimit} unlocks already; end some, or make a rule of it`;
    throw new ApiRefusal(422, { message });
  }
  try {
    const unlock = await ports.unlocks.add(asked, body.expires_in * 1000);
    tell(ports, 'unlock', unlock, caller, request);
    return unlock;
  } catch (error) {
    // It may be in force all the same, and somebody will ask who it was.
    const who = { caller: caller.name, address: request.ip };
    if (error instanceof StoreAway) ports.onUnlock({ action: 'unlock', outcome: 'unknown', asked, ...who });
    throw error;
  }
}

/** @throws ApiRefusal */
function read(body: Static<typeof newUnlock>, caller: ApiCaller): UnlockRequest {
  const { repository, tag, actions, subject, reason, expires_in: seconds } = body;
  // What is not the asker's is answered like what does not exist.
  if (!isRepository(repository)) throw new ApiRefusal(400, { error: 'repository is invalid' });
  if (!mayAct(caller, 'read', repository)) throw projectNotFound();
  if (!mayAct(caller, 'unlock', repository)) throw forbidden();
  if (!isTag(tag)) throw new ApiRefusal(400, { error: 'tag is invalid' });
  if (isReferrerTag(tag))
    throw new ApiRefusal(422, {
      message: 'The tag of signatures cannot be unlocked; a rule may say referrers: mutable',
    });
  if (reason.trim() === '' || reason.length > reasonLengthLimit)
    throw new ApiRefusal(400, { error: `reason needs 1 to ${reasonLengthLimit} characters` });
  if (subject?.trim() === '') throw new ApiRefusal(400, { error: 'subject is empty' });
  if (seconds < 1 || seconds * 1000 > longestUnlockMs)
    throw new ApiRefusal(400, { error: `expires_in must be from 1 to ${longestUnlockMs / 1000} seconds` });
  return {
    ...{ repository, tag, actions: [...new Set(actions)], reason, by: caller.name },
    ...(subject !== undefined && { subject }),
  };
}

function notFound(): ApiRefusal {
  return new ApiRefusal(404, { message: '404 Not found' });
}

function show({ id, repository, tag, actions, subject, reason, by, untilMs }: Unlock): UnlockObject {
  return {
    ...{ id, repository, tag, actions: [...actions] },
    ...(subject !== undefined && { subject }),
    ...{ reason, created_by: by, expires_at: new Date(untilMs).toISOString() },
  };
}

function tell(
  { onUnlock, log }: ApiPorts,
  action: 'unlock' | 'lock',
  unlock: Unlock,
  caller: ApiCaller,
  { ip }: FastifyRequest,
): void {
  const event = { action, unlock: show(unlock), caller: caller.name, address: ip };
  log.info(event, action === 'unlock' ? 'a tag was unlocked' : 'an unlock was ended');
  onUnlock(event);
}
