import type { FastifyInstance, FastifyRequest, HTTPMethods } from 'fastify';
import { Type } from 'typebox';
import { ChangeRefused } from '../../core/managed-input.ts';
import type { Managed } from '../../core/rule.ts';
import { admit, admittedOf } from './admission.ts';
import { pageOf, pageQuery } from './pages.ts';
import type { ApiPorts } from './ports.ts';
import { ApiRefusal, methodNotAllowed } from './refusals.ts';
import { RuleActions, type By } from './rule-actions.ts';
import type { RuleKind } from './rule-kinds.ts';
import type { RepositoryRuleObject, TagRuleObject } from './rule-objects.ts';

const ofProject = { id: Type.String({ description: "The project's path, URL-encoded, or its number." }) };
const projectParams = Type.Object(ofProject);
const ruleParams = Type.Object({
  ...ofProject,
  protection_rule_id: Type.Integer({ description: 'The id of the rule.' }),
});
const words = Type.Union([Type.String(), Type.Array(Type.String())]);
const refusal = Type.Object(
  {
    message: Type.Optional(Type.Union([words, Type.Object({ error: words })])),
    error: Type.Optional(Type.String()),
  },
  { description: 'Why not.' },
);
const refusals = (...statuses: readonly number[]) =>
  Object.fromEntries(statuses.map((status) => [status, refusal]));
const security = [{ privateToken: [] }, { bearer: [] }];
const allMethods: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** `…/registry/protection/{repository,tag}/rules`, as GitLab has them. */
export function ruleRoutes<
  Input,
  Rule extends { readonly managed: Managed },
  Shown extends RepositoryRuleObject | TagRuleObject,
>(app: FastifyInstance, kind: RuleKind<Input, Rule, Shown>, ports: ApiPorts): void {
  const actions = new RuleActions(kind, ports);
  const list = `/v4/projects/:id/registry/protection/${kind.name}/rules`;
  const single = `${list}/:protection_rule_id`;
  const { made, changed, shown } = kind.schemas;
  const about = (verb: string) => ({ summary: `${verb} a ${kind.title}`, tags: [kind.name], security });
  const reads = admit('read', ports);
  const writes = admit('write', ports);

  const schemaOfList = { ...about('List each'), params: projectParams, querystring: pageQuery };
  const listed = { 200: Type.Array(shown), ...refusals(400, 401, 403, 404, 503) };
  app.get(list, { onRequest: reads, schema: { ...schemaOfList, response: listed } }, async (request, reply) =>
    pageOf(await actions.list(admittedOf(request).project), request, reply),
  );
  const schemaOfNew = { ...about('Create'), params: projectParams, body: made };
  const created = { 201: shown, ...refusals(400, 401, 403, 404, 413, 415, 422, 503) };
  app.post(
    list,
    { onRequest: writes, schema: { ...schemaOfNew, response: created } },
    async (request, reply) => {
      const input = kind.madeFrom(request.body);
      const rule = await refusing(kind.refusesInPlain, () =>
        actions.create(by(request), admittedOf(request).project, input),
      );
      return reply.code(201).send(rule);
    },
  );
  const schemaOfChange = { ...about('Update'), params: ruleParams, body: changed };
  const updated = { 200: shown, ...refusals(400, 401, 403, 404, 413, 415, 422, 503) };
  app.patch(single, { onRequest: writes, schema: { ...schemaOfChange, response: updated } }, (request) =>
    refusing(false, () =>
      actions.update(
        by(request),
        admittedOf(request).project,
        numberOf(request),
        kind.changedFrom(request.body),
      ),
    ),
  );
  const schemaOfEnd = { ...about('Delete'), params: ruleParams };
  const deleted = { 204: Type.Null(), ...refusals(400, 401, 403, 404, 503) };
  app.delete(
    single,
    { onRequest: writes, schema: { ...schemaOfEnd, response: deleted } },
    async (request, reply) => {
      await actions.delete(by(request), admittedOf(request).project, numberOf(request));
      return reply.code(204).send();
    },
  );
  refuseOtherMethods(app, list, ['GET', 'HEAD', 'POST']);
  refuseOtherMethods(app, single, ['PATCH', 'DELETE']);
}

function refuseOtherMethods(app: FastifyInstance, url: string, served: readonly HTTPMethods[]): void {
  const method = allMethods.filter((name) => !served.includes(name));
  // A body of theirs is nobody's: it must not be the reason.
  app.route({
    ...{ method, url, schema: { hide: true } },
    onRequest: () => Promise.reject(methodNotAllowed(served)),
    handler: () => undefined,
  });
}

function by(request: FastifyRequest): By {
  return { caller: admittedOf(request).caller.name, address: request.ip };
}

function numberOf(request: FastifyRequest): number {
  return (request.params as { readonly protection_rule_id: number }).protection_rule_id;
}

async function refusing<Value>(isPlain: boolean, act: () => Promise<Value>): Promise<Value> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof ChangeRefused)) throw error;
    const { messages } = error;
    throw new ApiRefusal(422, { message: isPlain ? messages : { error: messages } });
  }
}
