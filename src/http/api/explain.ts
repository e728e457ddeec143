import type { FastifyInstance } from 'fastify';
import { Type, type Static } from 'typebox';
import type { OwnAuthorization } from '../../adapters/patient-reader.ts';
import type { AuthConfig } from '../../config/auth.ts';
import { accessLevels, isAccessLevel } from '../../core/access-level.ts';
import { mayAct } from '../../core/api-access.ts';
import { explain, operationOn } from '../../core/explain.ts';
import type { Clock, Needs, RuleSource, TagFacts, Tombstones } from '../../core/ports.ts';
import { isDigest, type Digest } from '../../core/reference.ts';
import { gatherFacts, type Sources, type Supposition } from '../explain-facts.ts';
import type { LiftingPorts } from '../lifting.ts';
import { reportOf, type ExplainReport } from '../explain-report.ts';
import { suppose } from '../supposed-caller.ts';
import { callerOf, identify } from './admission.ts';
import type { ApiPorts } from './ports.ts';
import { ApiRefusal, projectNotFound } from './refusals.ts';

/** What is in force, and what is there: as the door sees it. */
export interface ExplainPorts {
  readonly rules: RuleSource;
  readonly facts: TagFacts;
  readonly needs: Needs;
  readonly tombstones: Pick<Tombstones, 'recall'>;
  readonly walkMs: number;
  /** With what the upstream is asked; absent: with nothing. */
  readonly own: OwnAuthorization | undefined;
  readonly clock: Clock;
  readonly lifting: LiftingPorts;
  readonly auth: Pick<AuthConfig, 'mode' | 'defaultAccessLevel'>;
}

const digest = (description: string) => Type.Optional(Type.String({ description }));
const question = Type.Object({
  action: Type.Enum(['push', 'delete']),
  repository: Type.String({ examples: ['flightjs/flight'] }),
  reference: Type.String({ description: 'A tag or a digest.', examples: ['v1.0'] }),
  subject: Type.Optional(Type.String({ description: 'Who asks; absent: somebody who is not identified.' })),
  groups: Type.Optional(Type.Array(Type.String())),
  access_level: Type.Optional(
    Type.Enum(Object.keys(accessLevels).filter(isAccessLevel), {
      description: 'The level that the caller has everywhere; absent: as auth.mode has it.',
    }),
  ),
  pushed: digest('What is pushed; absent: something that is nowhere yet.'),
  is: digest('What the tag is; absent: the upstream is asked.'),
  absent: Type.Optional(Type.Boolean({ description: 'The tag is not there, and never was.' })),
});
type Question = Static<typeof question>;

/** `POST /v4/explain`: what the door would say, by which rules, and why. Nothing is changed by it. */
export function explainRoutes(
  app: FastifyInstance,
  ports: ExplainPorts & Pick<ApiPorts, 'tokens' | 'attempts'>,
): void {
  const schema = {
    summary: 'Explain what would become of a push or a delete',
    tags: ['explain'],
    security: [{ privateToken: [] }, { bearer: [] }],
    body: question,
  };
  const onRequest = identify(ports);
  app.post('/v4/explain', { schema, onRequest }, async (request): Promise<ExplainReport> => {
    const caller = callerOf(request);
    const supposed = read(request.body as Question, ports);
    // What is not the asker's is answered like what does not exist.
    if (!mayAct(caller, 'read', supposed.operation.repository)) throw projectNotFound();
    const doubt = ports.rules.doubt();
    if (doubt !== undefined) throw new ApiRefusal(503, { message: `no write can be judged now: ${doubt}` });
    const rules = ports.rules.current();
    const { clock, lifting } = ports;
    const facts = await gatherFacts(rules, supposed, { clock, lifting, sources: sourcesOf(ports) });
    return reportOf(
      explain(rules, supposed.operation, supposed.caller, facts),
      supposed,
      facts,
      rules.version,
    );
  });
}

/** @throws ApiRefusal 400 */
function read(body: Question, { auth }: ExplainPorts): Supposition {
  const { action, repository, reference, subject, groups = [], access_level: level } = body;
  const operation = operationOn(action, repository, reference);
  if (!operation) throw new ApiRefusal(400, { error: 'repository or reference is invalid' });
  const named = {
    groups,
    ...(subject !== undefined && { subject }),
    ...(level !== undefined && { level }),
  };
  const pushed = digestIn(body, 'pushed');
  const is = body.absent === true ? ('absent' as const) : digestIn(body, 'is');
  return {
    ...{ operation, caller: suppose(auth, named) },
    ...(pushed !== undefined && { pushed }),
    ...(is !== undefined && { is }),
  };
}

function digestIn(body: Question, name: 'pushed' | 'is'): Digest | undefined {
  const text = body[name];
  if (text === undefined || isDigest(text)) return text;
  throw new ApiRefusal(400, { error: `${name} is invalid` });
}

function sourcesOf({ facts, needs, tombstones, walkMs, own }: ExplainPorts): Sources {
  return {
    ...{ facts, needs, tombstones, walkMs },
    authorize: async (repository) => (own ? ['Authorization', await own.of(repository)] : []),
  };
}
