import type { IncomingMessage } from 'node:http';
import { ProxyServer } from 'httpxy';
import type { UpstreamTls } from '../adapters/tls/upstream-tls.ts';
import { RegistryError } from '../core/errors.ts';
import { isAtOrUnder, printQuery } from '../core/target.ts';
import type { Exchange } from './exchange.ts';
import { requestHeaders, responseHeaders } from './headers.ts';
import { trailHeaders } from './trail.ts';

/** A part of the upstream outside `/v2/` that is served as it is: a web page, an external token service. */
export interface PassedPrefix {
  /** Covers itself and what is below it, never a longer name: `/ui` is not `/uix`. */
  readonly prefix: string;
  readonly methods: readonly string[];
}

export type Passthrough = (exchange: Exchange) => Promise<void>;

/**
 * Forwards what the operator listed and answers 404 to all else. Paths are canonical by the time they come here:
 * before an upstream that cleans them, `/ui/../v2/…` would move a tag that nobody judged.
 */
export function passthrough(
  prefixes: readonly PassedPrefix[],
  upstreamOrigin: string,
  idleMs: number,
  tls?: UpstreamTls,
): Passthrough {
  const proxy = new ProxyServer({
    target: detailed(upstreamOrigin),
    changeOrigin: false,
    proxyTimeout: idleMs,
    xfwd: false,
    // httpxy would pass on every header of the answer, and throw where nobody catches on what Node will not write.
    selfHandleResponse: true,
  });
  const exchanges = new WeakMap<IncomingMessage, Exchange>();
  proxy.on('proxyRes', (answer, req) => {
    const exchange = exchanges.get(req);
    if (exchange) relay(exchange, answer, upstreamOrigin);
  });
  // Nobody asked for another protocol; without a listener the exchange would never end.
  proxy.on('proxyReq', (proxied, _, res) => {
    proxied.once('upgrade', (_answer, socket) => {
      socket.destroy();
      res.destroy();
    });
  });
  return async (exchange) => {
    const { req, res, target } = exchange;
    const passed = prefixes.find(({ prefix }) => isAtOrUnder(target.path, prefix));
    if (!passed) throw new RegistryError('NOT_FOUND');
    if (!passed.methods.includes(req.method ?? '')) {
      throw new RegistryError('UNSUPPORTED', { message: 'this method is not passed through here' });
    }
    exchanges.set(req, exchange);
    exchange.trail.timing.enter('upstream');
    sendAsJudged(exchange);
    if (exchange.awaitsContinue) res.writeContinue();
    try {
      await proxy.web(req, res, tls && { agent: tls.agent });
    } catch (error) {
      const cause = tls && error instanceof Error ? tls.explained(error) : error;
      throw new RegistryError('UNAVAILABLE', { status: 502, message: 'the upstream is gone', cause });
    }
  };
}

/** httpxy reads the request itself: it must find there what was judged, and none of the headers that we drop. */
function sendAsJudged(exchange: Exchange): void {
  const { req, target } = exchange;
  req.url = target.path + printQuery(target.query);
  const { 'content-length': length, 'transfer-encoding': coding } = req.headers;
  req.headers = {};
  const headers = requestHeaders(exchange.headers, exchange);
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]?.toLowerCase() ?? '';
    const value = headers[at + 1] ?? '';
    const before = req.headers[name];
    req.headers[name] =
      typeof before === 'string' ? `${before}${name === 'cookie' ? '; ' : ', '}${value}` : value;
  }
  if (length !== undefined) req.headers['content-length'] = length;
  if (coding !== undefined) req.headers['transfer-encoding'] = coding;
}

/** Never throws: it runs where nobody would catch. */
function relay({ res, addressed, trail }: Exchange, answer: IncomingMessage, upstreamOrigin: string): void {
  const { statusCode: status = 0, rawHeaders } = answer;
  try {
    const headers = responseHeaders(rawHeaders, status, { addressed, upstreamOrigin, isWrite: false });
    res.writeHead(status, [...headers, ...trailHeaders(trail)]);
  } catch {
    // A status below 100, say.
    res.destroy();
    return;
  }
  trail.timing.enter('answering');
  answer.pipe(res);
}

function detailed(origin: string): { protocol: string; host: string; port: string } {
  const url = new URL(origin);
  return {
    protocol: url.protocol,
    host: url.hostname,
    port: url.port || (url.protocol === 'https:' ? '443' : '80'),
  };
}
