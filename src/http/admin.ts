import type { Server } from 'node:http';
import type { FastifyPluginAsync, FastifyReply } from 'fastify';

/** The state of each part: `ok`, or what is wrong with it. */
export interface Readiness {
  /** What serving needs. */
  readonly needed: Readonly<Record<string, string>>;
  /** What serving goes on without, for a load balancer that took every replica out would end the pulls too. */
  readonly noted: Readonly<Record<string, string>>;
}

const bodyLimitBytes = 64 * 1024;
const requestMs = 30_000;

/**
 * The listener for operators and probes: `/livez` while the process runs, `/readyz` while it can serve; below `/api` the
 * management API, where there is one.
 * fastify is loaded here and not before: it takes longer to load than all of the data plane.
 */
export async function adminServer(readiness: () => Readiness, api?: FastifyPluginAsync): Promise<Server> {
  const { fastify } = await import('fastify');
  const app = fastify({
    logger: false,
    bodyLimit: bodyLimitBytes,
    requestTimeout: requestMs,
    // A project's path, with its slashes encoded.
    routerOptions: { maxParamLength: 1024 },
    frameworkErrors: (_error, _request, reply: FastifyReply) => {
      void reply.code(400).send({ error: '400 Bad Request' });
    },
  });
  app.get('/livez', () => ({ status: 'ok' }));
  app.get('/readyz', (_, reply) => {
    const { needed, noted } = readiness();
    const isReady = Object.values(needed).every((state) => state === 'ok');
    const status = isReady ? 'ok' : 'not ready';
    return reply.code(isReady ? 200 : 503).send({ status, ...needed, ...noted });
  });
  if (api) await app.register(api, { prefix: '/api' });
  await app.ready();
  return app.server;
}
