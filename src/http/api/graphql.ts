import type { FastifyPluginAsync } from 'fastify';
import {
  Kind,
  NoSchemaIntrospectionCustomRule,
  parse,
  visit,
  type DocumentNode,
  type FormattedExecutionResult,
} from 'graphql';
import mercurius from 'mercurius';
import { Turns } from '../turns.ts';
import { callerOf, identify } from './admission.ts';
import { refuseCostly } from './graphql-cost.ts';
import { GraphqlErrors } from './graphql-failures.ts';
import { idTypes } from './graphql-ids.ts';
import { graphqlResolvers } from './graphql-resolvers.ts';
import { graphqlSchema } from './graphql-schema.ts';
import type { GraphqlSession } from './graphql-session.ts';
import type { ApiPorts, GraphqlPorts } from './ports.ts';
import { ApiRefusal, methodNotAllowed } from './refusals.ts';

const path = '/graphql';
const bodyLimitBytes = 64 * 1024;
const tokenLimit = 1000;
const depthLimit = 10;
/** What tools ask for to learn the schema is 16 deep. */
const depthLimitOfIntrospection = 20;
const lookUpsAtOnce = 16;

interface Asked {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly operationName: string | undefined;
}

/** `POST /graphql`, as GitLab has it: the tags that there are, what protects them, and the rules. */
export function graphqlApi(ports: ApiPorts & GraphqlPorts): FastifyPluginAsync {
  const { rules, tags, hasIntrospection, log } = ports;
  const errors = new GraphqlErrors(log, hasIntrospection);
  const resolvers = graphqlResolvers({ ...ports, rules, tags, turns: new Turns(lookUpsAtOnce) });
  return async (app) => {
    await app.register(mercurius, {
      ...{ schema: graphqlSchema, resolvers, routes: false, graphiql: false },
      // Its keys would be whole queries, up to a thousand of them.
      cache: false,
      queryDepth: hasIntrospection ? depthLimitOfIntrospection : depthLimit,
      validationRules: hasIntrospection ? [] : [NoSchemaIntrospectionCustomRule],
      errorFormatter: ({ data, errors: found }) => ({
        statusCode: 200,
        response: { data: data ?? null, errors: found.map(errors.formatted) },
      }),
    });
    app.graphql.addHook('preExecution', (_schema, document, _context, variables) => {
      refuseCostly(document, variables);
    });
    app.removeContentTypeParser('application/x-www-form-urlencoded');
    const onRequest = identify(ports);
    const schema = { hide: true };
    app.post(path, { schema, bodyLimit: bodyLimitBytes, onRequest }, async (request, reply) => {
      const { query, variables, operationName } = askedIn(request.body);
      const caller = callerOf(request);
      const by = { caller: caller.name, address: request.ip };
      const session: GraphqlSession = { caller, by, repositories: new Map() };
      try {
        const source = withOwnIdTypes(query, parse(query, { maxTokens: tokenLimit }));
        return await reply.graphql(source, { session }, variables, operationName);
      } catch (error) {
        const told = errors.ofRefused(error);
        if (!told) throw error;
        return { errors: told } satisfies FormattedExecutionResult;
      }
    });
    app.route({
      ...{ method: ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'], url: path, schema },
      onRequest: () => Promise.reject(methodNotAllowed(['POST'])),
      handler: () => undefined,
    });
  };
}

/** @throws ApiRefusal; several queries at once are a list, and are refused too */
function askedIn(body: unknown): Asked {
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body);
  const { query, variables, operationName } = (isObject ? body : {}) as Record<string, unknown>;
  if (typeof query !== 'string') throw new ApiRefusal(400, { error: 'query is missing' });
  const given = variables ?? {};
  if (typeof given !== 'object' || Array.isArray(given))
    throw new ApiRefusal(400, { error: 'variables is invalid' });
  const name = operationName ?? undefined;
  if (name !== undefined && typeof name !== 'string')
    throw new ApiRefusal(400, { error: 'operationName is invalid' });
  return { query, variables: given as Asked['variables'], operationName: name };
}

/** Each type that GitLab gives ids of one kind becomes `ID`, at the same place: errors say where in the query they are. */
function withOwnIdTypes(query: string, document: DocumentNode): string {
  let text = query;
  visit(document, {
    [Kind.NAMED_TYPE]: ({ name, loc }) => {
      if (!loc || !idTypes.has(name.value)) return;
      text = text.slice(0, loc.start) + 'ID'.padEnd(loc.end - loc.start) + text.slice(loc.end);
    },
  });
  return text;
}
