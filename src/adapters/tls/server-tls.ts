import { constants, createHash, randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { createSecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls';
import type { BaseLogger } from 'pino';
import type { ServerTlsConfig } from '../../config/tls.ts';
import type { Clock } from '../../core/ports.ts';
import { certificatesOf, keyPairOf, outOfDate, type KeyPair } from './key-pair.ts';
import { WatchedFiles, type Texts } from './watched-files.ts';

export interface ServerTlsOptions {
  readonly config: ServerTlsConfig;
  /**
   * 48 bytes that seal session tickets: processes that have the same resume each other's sessions. Absent: some of
   * our own.
   */
  readonly ticketKeys?: Buffer | undefined;
  /** The time of day. */
  readonly clock: Clock;
  readonly log: Pick<BaseLogger, 'info' | 'error'>;
}

interface Identity {
  readonly pair: KeyPair;
  /** PEM of those who issue the certificates of clients; undefined: clients are asked for none. */
  readonly clientCa: string | undefined;
}

/** The certificate that we serve HTTPS with, whatever becomes of its files while we run. */
export class ServerTls {
  readonly #options: ServerTlsOptions;
  readonly #files: WatchedFiles<Identity>;
  readonly #ticketKeys: Buffer;

  /** @throws Error with the names of the files and what is wrong */
  static async open(options: ServerTlsOptions): Promise<ServerTls> {
    const { config, clock, log } = options;
    const files = await WatchedFiles.open<Identity>({
      paths: pathsOf(config),
      compose: (texts, before) => identityOf(texts, before, clock.nowMs()),
      ...{ clock, log },
    });
    return new ServerTls(options, files);
  }

  private constructor(options: ServerTlsOptions, files: WatchedFiles<Identity>) {
    this.#options = options;
    this.#files = files;
    this.#ticketKeys = options.ticketKeys ?? randomBytes(48);
  }

  /** What the main listener is made with; it may ask clients for a certificate. */
  forClients(): TlsOptions {
    const { clients } = this.#options.config;
    const asking = { requestCert: true, rejectUnauthorized: clients?.isRequired ?? false };
    return { ...negotiation, ...this.#context(this.#files.value), ...(clients && asking) };
  }

  /** What the listener for operators is made with; it asks nobody for a certificate. */
  forOperators(): TlsOptions {
    return { ...negotiation, ...this.#context(withoutClients(this.#files.value)) };
  }

  /** Gives a listener whatever certificate comes into force; connections that are open keep theirs. */
  follow(forClients: Listener, forOperators?: Listener): void {
    const hear = (identity: Identity): void => {
      give(forClients, this.#context(identity));
      if (forOperators) give(forOperators, this.#context(withoutClients(identity)));
    };
    this.#files.onChange(hear);
    // It may be another one already than they were made with.
    hear(this.#files.value);
  }

  /** What an operator should know; undefined where all is well. */
  doubt(): string | undefined {
    if (this.#files.refusal !== undefined) return `not reloaded: ${this.#files.refusal}`;
    return outOfDate(this.#files.value.pair, this.#options.clock.nowMs());
  }

  reload(): Promise<void> {
    return this.#files.reload();
  }

  close(): void {
    this.#files.close();
  }

  #context(identity: Identity): SecureContextOptions {
    // The same keys again: what clients were given before a reload is good after it.
    const isRequired = this.#options.config.clients?.isRequired ?? false;
    return {
      ...contextOf(identity),
      ticketKeys: this.#ticketKeys,
      sessionIdContext: audienceOf(identity, isRequired),
    };
  }
}

type Listener = Server | TlsServer;

function give(listener: Listener, context: SecureContextOptions): void {
  // Else it serves plain HTTP.
  if ('setSecureContext' in listener) listener.setSecureContext(context);
}

/** Of one connection, whatever the certificate. docker and containerd speak HTTP/1.1 alone. */
const negotiation: TlsOptions = { ALPNProtocols: ['http/1.1'] };

function contextOf({ pair, clientCa }: Identity): SecureContextOptions {
  return {
    cert: pair.cert,
    key: pair.key,
    ...(clientCa !== undefined && { ca: clientCa }),
    minVersion: 'TLSv1.2',
    // A client must not become somebody else in the middle of a connection.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  };
}

/**
 * A session that is resumed shows the certificate that it began with, found good by those who were trusted then, or
 * none. It counts only where the same is asked for, and never on the other listener.
 */
function audienceOf({ clientCa }: Identity, isRequired: boolean): string {
  const hash = createHash('sha256').update(JSON.stringify([clientCa, isRequired]));
  // OpenSSL takes 32 bytes.
  return hash.digest('hex').slice(0, 32);
}

function withoutClients({ pair }: Identity): Identity {
  return { pair, clientCa: undefined };
}

function pathsOf({ certFile, keyFile, clients }: ServerTlsConfig): Texts {
  return {
    'tls.cert_file': certFile,
    'tls.key_file': keyFile,
    ...(clients && { 'tls.client_ca_file': clients.caFile }),
  };
}

/** @throws Error that says what is wrong */
function identityOf(texts: Texts, before: Identity | undefined, nowMs: number): Identity {
  const { 'tls.cert_file': cert = '', 'tls.key_file': key = '', 'tls.client_ca_file': clientCa } = texts;
  const identity = { pair: keyPairOf(cert, key, { before: before?.pair, nowMs }), clientCa };
  if (clientCa !== undefined) certificatesOf(clientCa, 'tls.client_ca_file');
  // What OpenSSL takes no offence at when it is read, it may when it is used: a key that is too short.
  createSecureContext(contextOf(identity));
  return identity;
}
