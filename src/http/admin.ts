import type { Server } from 'node:http';

/** Whether the process can do its work, by part: `ok`, or why it cannot. */
export type Readiness = () => Readonly<Record<string, string>>;

/**
 * The listener for operators and probes: `/livez` while the process runs, `/readyz` while it can serve.
 * fastify is loaded here and not before: it takes longer to load than all of the data plane.
 */
export async function adminServer(readiness: Readiness): Promise<Server> {
  const { fastify } = await import('fastify');
  const app = fastify({ logger: false });
  app.get('/livez', () => ({ status: 'ok' }));
  app.get('/readyz', (_, reply) => {
    const parts = readiness();
    const isReady = Object.values(parts).every((state) => state === 'ok');
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ok' : 'not ready', ...parts });
  });
  await app.ready();
  return app.server;
}
