import { headerValues, mapHeaders, type HeaderList } from '../core/header-list.ts';
import type { Exchange } from './exchange.ts';
import type { Addressed } from './forwarded.ts';
import { uploadLocation, type OngoingUpload } from './upload-location.ts';

/** Of one connection, not of the message (RFC 9110, section 7.6.1). */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
/** Set anew for every message: how long it is, and whom it is for. */
const framing = new Set(['content-length', 'expect', 'host']);
/** Some servers take the method or the path from these, which would not be what was judged. */
const overrides = new Set(['x-http-method', 'x-http-method-override', 'x-method-override', 'x-rewrite-url']);
/** A client's word on where it comes from and what it asked for; replaced by ours. */
const provenance =
  /^(?:forwarded|x-forwarded|x-forwarded-.*|x-original-.*|x-host|x-real-ip|x-client-ip|true-client-ip)$/;
/** CGI, WSGI and Rack read `X_Forwarded_Host` as `X-Forwarded-Host`; Envoy would repeat a PUT as the client says. */
const ambiguous = /_|^x-envoy-/;
/** Would lead clients past us. */
const leadingAway = new Set(['alt-svc']);
/** By one id an exchange is found in everybody's log: the client's where it can be logged, else ours. */
const requestIdField = 'x-request-id';
/** Which span of a trace a request is made for (W3C Trace Context): ours, where it is recorded here. */
const traceFields = new Set(['traceparent', 'tracestate']);

/** All that a registry needs with a write; besides `Authorization` nothing that could let somebody in. */
const needed =
  /^(?:accept|accept-encoding|authorization|connection|content-(?:encoding|length|range|type)|range|traceparent|tracestate|user-agent|x-request-id|docker-[a-z-]+|oci-[a-z-]+)$/;

/** What goes upstream where the upstream alone checks credentials: no cookie and no API key beside a forged bearer. */
export function listedHeaders(received: HeaderList): HeaderList {
  return mapHeaders(received, (name, value) => (needed.test(name) ? value : undefined));
}

/** Whatever a client says in these fields (their names in lower case), the upstream does not hear of it. */
export function neverForwarded(name: string): boolean {
  return (
    hopByHop.has(name) ||
    framing.has(name) ||
    overrides.has(name) ||
    provenance.test(name) ||
    ambiguous.test(name)
  );
}

/** As far as the upstream is told of an exchange. */
export type Told = Pick<Exchange, 'addressed' | 'trail'>;

/** The client's headers as they go upstream; the length of a body is added where there is one. */
export function requestHeaders(received: HeaderList, exchange: Told): string[] {
  const named = namedInConnection(received);
  const isTraced = exchange.trail.trace !== undefined;
  const kept = mapHeaders(received, (name, value) => {
    if (neverForwarded(name) || name === requestIdField || named.has(name)) return undefined;
    return isTraced && traceFields.has(name) ? undefined : value;
  });
  return [...kept, ...provenanceHeaders(exchange)];
}

/** What every request to the upstream says of the exchange that it is made for; `Host` is kept, or uploads would go on past us. */
export function provenanceHeaders({ addressed, trail }: Told): string[] {
  const { host, protocol, forwardedFor } = addressed;
  const headers = [
    'Host',
    host,
    'X-Forwarded-For',
    forwardedFor,
    'X-Forwarded-Proto',
    protocol,
    'X-Forwarded-Host',
    host,
    'X-Request-Id',
    trail.requestId,
  ];
  const { trace } = trail;
  if (trace) headers.push('traceparent', trace.traceparent);
  if (trace?.tracestate !== undefined) headers.push('tracestate', trace.tracestate);
  return headers;
}

export interface Rewriting {
  readonly addressed: Addressed;
  readonly upstreamOrigin: string;
  /** Whether it answers a write: then every address of the registry's own is brought back to us. */
  readonly isWrite: boolean;
  /** Absent where the answer does not say where an upload goes on. */
  readonly upload?: OngoingUpload | undefined;
}

/**
 * The upstream's headers as they go to the client, with the addresses that name the upstream rewritten.
 * @throws RegistryError UNAVAILABLE where an upload would go on at something else
 */
export function responseHeaders(received: HeaderList, status: number, rewriting: Rewriting): string[] {
  const named = namedInConnection(received);
  return mapHeaders(received, (name, value) => {
    if (hopByHop.has(name) || named.has(name) || leadingAway.has(name)) return undefined;
    // Its own, of one that did not keep what it was sent.
    if (name === requestIdField) return undefined;
    // RFC 9110, section 8.6: there is no body that it could be the length of.
    if (name === 'content-length' && status === 204) return undefined;
    // After 201 it is the blob's.
    if (name === 'location' && rewriting.upload && status !== 201)
      return uploadLocation(value, rewriting.upload, rewriting);
    if (name === 'location') return rewriteAddress(value, rewriting);
    if (name === 'link')
      return value.replace(/<([^<>]*)>/g, (_, url: string) => `<${rewriteAddress(url, rewriting)}>`);
    return value;
  });
}

const absolute = /^(?:[a-z][a-z0-9+.-]*:)?\/\/[^/?#]*(.*)$/i;

/** Addresses of object storage are left alone; what comes after the host is kept to the byte (`_state` is signed). */
function rewriteAddress(address: string, { addressed, upstreamOrigin, isWrite }: Rewriting): string {
  const rest = absolute.exec(address)?.[1];
  if (rest === undefined || !URL.canParse(address, upstreamOrigin)) return address;
  const isUpstream = new URL(address, upstreamOrigin).origin === upstreamOrigin;
  const isRegistryPath = isWrite && rest.startsWith('/v2/');
  return isUpstream || isRegistryPath ? `${addressed.protocol}://${addressed.host}${rest}` : address;
}

function namedInConnection(headers: HeaderList): ReadonlySet<string> {
  const names = headerValues(headers, 'connection').flatMap((value) => value.split(','));
  return new Set(names.map((name) => name.trim().toLowerCase()));
}
