import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifyPluginAsync } from 'fastify';
import { decorateWithAdmission } from './admission.ts';
import { explainRoutes } from './explain.ts';
import { failureWriter } from './failures.ts';
import { readBodies, validatorCompiler } from './input.ts';
import type { ApiPorts } from './ports.ts';
import { routeNotFound } from './refusals.ts';
import { repositoryRules, tagRules } from './rule-kinds.ts';
import { ruleRoutes } from './rule-routes.ts';
import { unlockRoutes } from './unlocks.ts';

const openapi = {
  openapi: '3.1.0',
  info: {
    title: 'Tagwarden',
    description: "Rules as a service: GitLab's routes for the protection rules of a container registry.",
    version: 'v4',
  },
  components: {
    securitySchemes: {
      privateToken: { type: 'apiKey', in: 'header', name: 'PRIVATE-TOKEN' },
      bearer: { type: 'http', scheme: 'bearer' },
    },
  },
} as const;

/** All below `/api`, for the admin listener. */
export function managementApi(ports: ApiPorts): FastifyPluginAsync {
  return async (app: FastifyInstance) => {
    const writeFailure = failureWriter(ports.log);
    app.setErrorHandler(writeFailure);
    app.setNotFoundHandler((request, reply) => writeFailure(routeNotFound(), request, reply));
    app.setValidatorCompiler(validatorCompiler);
    // The schemas say what is answered, and need not make it.
    app.setSerializerCompiler(() => (value) => JSON.stringify(value));
    app.addHook('onSend', async (_, reply) => {
      reply.header('Cache-Control', 'no-store').header('X-Content-Type-Options', 'nosniff');
      return Promise.resolve();
    });
    readBodies(app);
    decorateWithAdmission(app);
    await app.register(swagger, { openapi });
    if (ports.graphql) {
      // It takes long to load.
      const { graphqlApi } = await import('./graphql.ts');
      await app.register(graphqlApi({ ...ports, ...ports.graphql }));
    }
    await app.register((routes, _, done) => {
      ruleRoutes(routes, repositoryRules, ports);
      ruleRoutes(routes, tagRules, ports);
      unlockRoutes(routes, ports);
      if (ports.explain) explainRoutes(routes, { ...ports, ...ports.explain });
      routes.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
      done();
    });
  };
}
