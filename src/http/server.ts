import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { RegistryError } from '../core/errors.ts';
import { headerValues, type HeaderList } from '../core/header-list.ts';
import { CredentialsRefused } from '../core/ports.ts';
import { parseTarget } from '../core/target.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { answerError } from './answer.ts';
import type { BodyPace } from './body-pace.ts';
import { limitConnections, type ConnectionLimits } from './connections.ts';
import type { Exchange } from './exchange.ts';
import { addressOf, type Addressing } from './forwarded.ts';
import type { Limits, Quota } from './limits.ts';
import type { Passthrough } from './passthrough.ts';
import { isTokenPath, type TokenEndpoint } from './token-service.ts';
import type { Running } from './running.ts';
import { serveRegistry, unexpected, type RegistryPorts } from './registry.ts';
import { newTrail, trailHeaders, type Trail } from './trail.ts';

export interface Route {
  readonly registry: RegistryPorts;
  readonly passthrough: Passthrough;
  /** Absent where tokens are somebody else's. */
  readonly tokens: TokenEndpoint | undefined;
  readonly addressing: Addressing;
  readonly limits: Limits;
  /** Has every exchange that is under way. */
  readonly running: Running;
  /** Absent: nothing is recorded. */
  readonly beginTrace?: ((headers: HeaderList) => TraceContext) | undefined;
  /** Hears of every exchange when it is over; `error` is what was answered in place of a forwarded response. */
  readonly observe: (exchange: { req: IncomingMessage; res: ServerResponse }, seen: Seen) => void;
}

export interface Seen {
  readonly trail: Trail;
  readonly error: RegistryError | undefined;
  /** Who asked, as far as it is known: the address that a trusted proxy names, else that of the connection. */
  readonly client: string | undefined;
  readonly durationMs: number;
}

/** How connections are kept. */
export interface Keeping {
  /** Absent: plain HTTP. */
  readonly tls?: TlsOptions | undefined;
  /** How long the head of a request may take, and before that TLS. */
  readonly headerTimeoutMs: number;
  /** How long a connection may wait for the next request. */
  readonly keepAliveMs: number;
  readonly connections: Omit<ConnectionLimits, 'silenceMs'>;
  readonly pace: BodyPace;
}

const options = {
  // Node's default of 300 s cuts a slow push with 408; silence is cut by the idle timeout instead.
  requestTimeout: 0,
  // Tokens with many scopes.
  maxHeaderSize: 32 * 1024,
  insecureHTTPParser: false,
};
/** No client sends a hundred; 32 KiB hold thousands, for Node counts names and values alone. */
const mostHeaderFields = 1_000;
const longestCheckMs = 30_000;

/** The main listener. Without an `upgrade` listener Node serves `Upgrade: h2c` requests as if they had not asked. */
export function registryServer(route: Route, keeping: Keeping): Server | TlsServer {
  const server = listener(keeping);
  const serveWith =
    (awaitsContinue: boolean) =>
    (req: IncomingMessage, res: ServerResponse): void => {
      keeping.pace.watch(req, res);
      serveInTurn(route, req, res, awaitsContinue);
    };
  server.on('request', serveWith(false)).on('checkContinue', serveWith(true));
  const { headerTimeoutMs, keepAliveMs } = keeping;
  limitConnections(server, { ...keeping.connections, silenceMs: headerTimeoutMs + keepAliveMs });
  // Pipelined requests each listen for the end of the connection that they share.
  server.on(keeping.tls ? 'secureConnection' : 'connection', (socket: Socket) => socket.setMaxListeners(0));
  return server;
}

function listener({ tls, headerTimeoutMs, keepAliveMs }: Keeping): Server | TlsServer {
  const timed = {
    ...options,
    headersTimeout: headerTimeoutMs,
    connectionsCheckingInterval: Math.min(longestCheckMs, headerTimeoutMs / 2),
    keepAliveTimeout: keepAliveMs,
  };
  const server = tls
    ? createTlsServer({ ...timed, ...tls, handshakeTimeout: headerTimeoutMs })
    : createServer(timed);
  // Node drops what is beyond without a word, and others would not: one more is what we refuse.
  server.maxHeadersCount = mostHeaderFields + 1;
  return server;
}

const lastExchanges = new WeakMap<Socket, Promise<void>>();

/**
 * Node hands out pipelined requests at once. They are served one after the other (RFC 9112, section 9.3.2): a read
 * behind a push sees it, and one connection cannot make the upstream work on thousands of requests at a time.
 */
function serveInTurn(route: Route, req: IncomingMessage, res: ServerResponse, awaitsContinue: boolean): void {
  // A broken connection is heard of by its `close`; unheard `error`s would end the process.
  req.on('error', () => undefined);
  res.on('error', () => undefined);
  const serveNow = async (): Promise<void> => {
    if (!req.socket.destroyed) await serve(route, req, res, awaitsContinue);
  };
  const before = lastExchanges.get(req.socket);
  lastExchanges.set(req.socket, before ? before.then(serveNow) : serveNow());
}

async function serve(
  route: Route,
  req: IncomingMessage,
  res: ServerResponse,
  awaitsContinue: boolean,
): Promise<void> {
  // Node has thrown away what came right behind it: whatever comes next could be the middle of a message.
  if (req.headers.upgrade !== undefined) res.shouldKeepAlive = false;
  const given = headerValues(req.rawHeaders, 'x-request-id');
  const trail = newTrail(given.length === 1 ? given[0] : undefined, randomUUID);
  route.running.begin(trail, res);
  if (route.beginTrace) trail.trace = route.beginTrace(req.rawHeaders);
  let error: RegistryError | undefined;
  let client = req.socket.remoteAddress;
  let quota: Quota | undefined;
  try {
    const addressed = addressOf(req, route.addressing);
    client = addressed.client;
    quota = route.limits.admit(client);
    refuseFlood(req, res);
    const target = checked(req);
    const headers = req.rawHeaders;
    const exchange: Exchange = { req, res, headers, target, addressed, quota, awaitsContinue, trail };
    if (target.path.startsWith('/v2/')) {
      await serveRegistry(exchange, route.registry);
    } else if (route.tokens && isTokenPath(target.path)) {
      trail.asks = 'token';
      // fastify writes the answer.
      res.setHeader('X-Request-Id', trail.requestId);
      await route.tokens(exchange);
    } else if (target.path === '/v2') {
      redirectToBase(exchange);
    } else {
      trail.asks = 'passthrough';
      await route.passthrough(exchange);
    }
  } catch (cause) {
    if (!req.socket.destroyed) error = await answerFailure(req, res, cause, trail);
    // Nobody is there to be told, but a push whose outcome is not known belongs into the log.
    else if (cause instanceof RegistryError) error = cause;
  }
  quota?.end();
  error ??= trail.failure;
  trail.timing.enter('answering');
  const durationMs = performance.now() - trail.timing.startedMs;
  route.observe({ req, res }, { trail, error, client, durationMs });
  route.running.end(trail);
}

/** @throws RegistryError before anything goes by them */
function refuseFlood({ rawHeaders }: IncomingMessage, res: ServerResponse): void {
  if (rawHeaders.length <= 2 * mostHeaderFields) return;
  // What frames its body may be among those that were dropped.
  res.shouldKeepAlive = false;
  throw new RegistryError('UNSUPPORTED', { status: 431, message: 'too many header fields' });
}

/** Only one value makes sense of these, and servers differ in which of two they take. */
const singular = ['authorization', 'content-type', 'content-range'];

/** @throws RegistryError for what Node's parser lets through and others read differently */
function checked(req: IncomingMessage): Exchange['target'] {
  const coding = req.headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    throw new RegistryError('UNSUPPORTED', {
      status: 501,
      message: 'no transfer coding but chunked is supported',
    });
  }
  if (coding !== undefined && req.httpVersion === '1.0') {
    // RFC 9112, section 6.1: whoever sent it on to us may have framed it otherwise.
    throw new RegistryError('UNSUPPORTED', { status: 400, message: 'no transfer coding in HTTP/1.0' });
  }
  if (req.httpVersion !== '1.1' && req.httpVersion !== '1.0') {
    throw new RegistryError('UNSUPPORTED', { status: 505, message: 'HTTP/1.1 only' });
  }
  const repeated = singular.find((name) => headerValues(req.rawHeaders, name).length > 1);
  if (repeated) throw new RegistryError('NAME_INVALID', { message: `more than one ${repeated} header` });
  return parseTarget(req.url ?? '');
}

/** As the registry does. */
function redirectToBase({ req, res, trail }: Exchange): void {
  if (req.method !== 'GET' && req.method !== 'HEAD') throw new RegistryError('UNSUPPORTED');
  res.writeHead(301, ['Location', '/v2/', 'Content-Length', '0', ...trailHeaders(trail)]).end();
}

async function answerFailure(
  req: IncomingMessage,
  res: ServerResponse,
  cause: unknown,
  trail: Trail,
): Promise<RegistryError> {
  trail.timing.enter('answering');
  const error = cause instanceof RegistryError ? cause : refusedOrUnexpected(cause);
  await answerError({ req, res, trail }, error);
  return error;
}

/** The upstream's challenge to a look-up goes to the client, who can answer it. */
function refusedOrUnexpected(cause: unknown): RegistryError {
  if (!(cause instanceof CredentialsRefused)) return unexpected(cause);
  return new RegistryError('UNAUTHORIZED', { cause, challenges: cause.challenges });
}
