import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { TlsOptions } from 'node:tls';
import type { FastifyPluginAsync, FastifyReply } from 'fastify';

export interface Part {
  /** `ok`, or what is wrong with it. */
  readonly state: string;
  /** For how long, as far as it was looked at. */
  readonly seconds: number;
}

export interface Readiness {
  /** Asked to end: others are to be used. */
  readonly isDraining: boolean;
  /** What serving needs. */
  readonly needed: Readonly<Record<string, Part>>;
  /** What serving goes on without, for a load balancer that took every replica out would end the pulls too. */
  readonly noted: Readonly<Record<string, Part>>;
}

/** What Prometheus reads. */
export type MetricsPage = () => Promise<{ readonly text: string; readonly contentType: string }>;

const bodyLimitBytes = 64 * 1024;
const requestMs = 30_000;

/**
 * The listener for operators and probes: `/livez` while the process runs, `/readyz` while it can serve, `/metrics`; below
 * `/api` the management API, where there is one.
 */
export async function adminServer(
  readiness: () => Readiness | Promise<Readiness>,
  api?: FastifyPluginAsync,
  tls?: TlsOptions,
  metrics?: MetricsPage,
): Promise<Server | TlsServer> {
  const others = api ? await apiListener(api) : answerNotFound;
  const pages = new Map<string | undefined, () => Page | Promise<Page>>([
    ['/livez', () => ({ status: 200, body: { status: 'ok' } })],
    ['/readyz', async () => readyPage(await readiness())],
  ]);
  if (metrics) pages.set('/metrics', async () => textPage(await metrics()));
  const listener: RequestListener = (req, res) => {
    const isRead = req.method === 'GET' || req.method === 'HEAD';
    const page = isRead ? pages.get(req.url?.split('?')[0]) : undefined;
    if (page) void answerPage(res, page);
    else others(req, res);
  };
  const timed = { requestTimeout: requestMs };
  return tls ? createTlsServer({ ...timed, ...tls }, listener) : createServer(timed, listener);
}

interface Page {
  readonly status: number;
  readonly body: object | string;
  /** Absent: JSON. */
  readonly contentType?: string;
}

function textPage({ text, contentType }: Awaited<ReturnType<MetricsPage>>): Page {
  return { status: 200, body: text, contentType };
}

export function isReady({ isDraining, needed }: Readiness): boolean {
  return !isDraining && Object.values(needed).every(({ state }) => state === 'ok');
}

function readyPage(readiness: Readiness): Page {
  const { isDraining, needed, noted } = readiness;
  const isOk = isReady(readiness);
  const status = isDraining ? 'draining' : isOk ? 'ok' : 'not ready';
  return { status: isOk ? 200 : 503, body: { status, parts: { ...noted, ...needed } } };
}

async function answerPage(res: ServerResponse, page: () => Page | Promise<Page>): Promise<void> {
  try {
    answer(res, await page());
  } catch {
    res.destroy();
  }
}

const json = 'application/json; charset=utf-8';

function answer(res: ServerResponse, { status, body, contentType = json }: Page): void {
  res.writeHead(status, { 'Content-Type': contentType, 'Cache-Control': 'no-store' });
  res.end(typeof body === 'string' ? body : JSON.stringify(body));
}

function answerNotFound(_: IncomingMessage, res: ServerResponse): void {
  answer(res, { status: 404, body: { error: '404 Not Found' } });
}

/** fastify is loaded for the API alone: it takes longer to load than all of the data plane. */
async function apiListener(api: FastifyPluginAsync): Promise<RequestListener> {
  const { fastify } = await import('fastify');
  const app = fastify({
    logger: false,
    bodyLimit: bodyLimitBytes,
    // A project's path, with its slashes encoded.
    routerOptions: { maxParamLength: 1024 },
    frameworkErrors: (_error, _request, reply: FastifyReply) => {
      void reply.code(400).send({ error: '400 Bad Request' });
    },
  });
  await app.register(api, { prefix: '/api' });
  await app.ready();
  return (req, res) => {
    app.routing(req, res);
  };
}
