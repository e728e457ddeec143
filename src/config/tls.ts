import type { KeyPath, Values } from './schema.ts';

/** A certificate chain and its private key: files, which may be replaced while we run. */
export interface KeyPairFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** How HTTPS is served. */
export interface ServerTlsConfig extends KeyPairFiles {
  /** Undefined: clients are asked for no certificate. */
  readonly clients: { readonly caFile: string; readonly isRequired: boolean } | undefined;
}

/** How an https upstream is met. */
export interface UpstreamTlsConfig {
  /** Certificates (PEM) to trust in place of the system's. */
  readonly ca: string | undefined;
  /** Undefined: the host of its URL. */
  readonly serverName: string | undefined;
  /** What is shown to it; undefined: nothing. */
  readonly client: KeyPairFiles | undefined;
}

/** INVARIANT: `checkTls` found nothing wrong. */
export function arrangeServerTls(values: Values): ServerTlsConfig | undefined {
  const files = pairOf(values['tls.cert_file'], values['tls.key_file']);
  const caFile = values['tls.client_ca_file'];
  const clientAuth = values['tls.client_auth'];
  const isAsked = clientAuth !== 'off' && caFile !== undefined;
  return (
    files && { ...files, clients: isAsked ? { caFile, isRequired: clientAuth === 'required' } : undefined }
  );
}

/** INVARIANT: `checkTls` found nothing wrong. */
export function arrangeUpstreamTls(values: Values): UpstreamTlsConfig {
  return {
    ca: values['upstream.ca_file'],
    serverName: values['upstream.server_name'],
    client: pairOf(values['upstream.client_cert_file'], values['upstream.client_key_file']),
  };
}

function pairOf(certFile: string | undefined, keyFile: string | undefined): KeyPairFiles | undefined {
  return certFile !== undefined && keyFile !== undefined ? { certFile, keyFile } : undefined;
}

type PlaceOf = (path: KeyPath) => string | undefined;

/** @param placeOf where a key was given; undefined where it was not, though it may have a default */
export function checkTls(values: Partial<Values>, placeOf: PlaceOf): string[] {
  const needs = (given: KeyPath, other: KeyPath, isGiven = placeOf(given) !== undefined): string[] =>
    isGiven && placeOf(other) === undefined ? [`${placeOf(given) ?? given}: needs ${other} too`] : [];
  const useless = (given: KeyPath, without: string): string[] =>
    placeOf(given) === undefined ? [] : [`${placeOf(given) ?? given}: does nothing ${without}`];
  const clientAuth = values['tls.client_auth'];
  const isAsked = clientAuth === 'optional' || clientAuth === 'required';
  const isHttp = values['upstream.url']?.startsWith('http:') === true;
  return [
    ...needs('tls.cert_file', 'tls.key_file'),
    ...needs('tls.key_file', 'tls.cert_file'),
    ...needs('tls.client_auth', 'tls.cert_file', isAsked),
    // Without it Node would trust whoever has a certificate of any authority in the world.
    ...needs('tls.client_auth', 'tls.client_ca_file', isAsked),
    ...(clientAuth === 'off' ? useless('tls.client_ca_file', withoutClients) : []),
    ...needs('admin.tls', 'tls.cert_file', values['admin.tls'] === true),
    ...needs('upstream.client_cert_file', 'upstream.client_key_file'),
    ...needs('upstream.client_key_file', 'upstream.client_cert_file'),
    ...(isHttp ? upstreamKeys.flatMap((path) => useless(path, withoutHttps)) : []),
  ];
}

const withoutClients = 'with tls.client_auth off; write optional or required there, or leave it out';
const upstreamKeys = [
  'upstream.server_name',
  'upstream.client_cert_file',
  'upstream.client_key_file',
] as const;
const withoutHttps = 'without TLS; write https:// in upstream.url, or leave it out';

/** Node would then trust any upstream, Redis and issuer of keys, without a word. */
export function checkTrust({ NODE_TLS_REJECT_UNAUTHORIZED: reject }: NodeJS.ProcessEnv): string[] {
  const name = 'environment NODE_TLS_REJECT_UNAUTHORIZED';
  return reject === '0'
    ? [
        `${name}: 0 trusts everyone; unset it, and name whom to trust in upstream.ca_file, redis.ca_file or NODE_EXTRA_CA_CERTS`,
      ]
    : [];
}
