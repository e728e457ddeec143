import { Agent } from 'node:https';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { BaseLogger } from 'pino';
import { buildConnector } from 'undici';
import type { UpstreamTlsConfig } from '../../config/tls.ts';
import type { Clock } from '../../core/ports.ts';
import { certificatesOf, keyPairOf, outOfDate, type KeyPair } from './key-pair.ts';
import { bareHost, serverNameFor } from './server-name.ts';
import { explainTlsFailure } from './tls-failures.ts';
import { WatchedFiles } from './watched-files.ts';

export interface UpstreamTlsOptions {
  /** As `https://registry.internal:5000`. */
  readonly origin: string;
  readonly config: UpstreamTlsConfig;
  /** The time of day. */
  readonly clock: Clock;
  readonly log: Pick<BaseLogger, 'info' | 'error'>;
}

type Connector = ReturnType<typeof buildConnector>;

/** What every connection is made with. */
interface Settings {
  readonly secureContext: SecureContext;
  readonly servername: string;
  readonly rejectUnauthorized: true;
}

/** Why TLS with the upstream failed last. */
interface Failure {
  readonly words: string;
  readonly seenMs: number;
  readonly loggedMs: number;
}

const logAgainMs = 60_000;

/** How the upstream is met while one certificate is shown to it, or none. */
interface Meeting {
  readonly shown: KeyPair | undefined;
  readonly settings: Settings;
}

/**
 * Whom we take for the upstream, and what we show it. Its name is the operator's word: `Host` is the client's, and by
 * that undici and Node would choose which certificate is good.
 */
export class UpstreamTls {
  /** What its certificate must be for: a name, or the address where there is none. */
  readonly serverName: string;
  readonly #around: Pick<UpstreamTlsOptions, 'clock' | 'log'>;
  readonly #files: WatchedFiles<Meeting> | undefined;
  #meeting: Meeting;
  #agent: Agent;
  #failure: Failure | undefined;

  /** @throws Error with the names of the files and what is wrong */
  static async open({ origin, config, clock, log }: UpstreamTlsOptions): Promise<UpstreamTls> {
    if (config.ca !== undefined) certificatesOf(config.ca, 'upstream.ca_file');
    const serverName = config.serverName ?? bareHost(new URL(origin).hostname);
    const meet = (shown?: KeyPair): Meeting => ({ shown, settings: settingsOf(config, serverName, shown) });
    const files =
      config.client &&
      (await WatchedFiles.open<Meeting>({
        paths: {
          'upstream.client_cert_file': config.client.certFile,
          'upstream.client_key_file': config.client.keyFile,
        },
        compose: ({ 'upstream.client_cert_file': cert = '', 'upstream.client_key_file': key = '' }, before) =>
          meet(keyPairOf(cert, key, { before: before?.shown, nowMs: clock.nowMs() })),
        ...{ clock, log },
      }));
    return new UpstreamTls({ clock, log }, serverName, files, files?.value ?? meet());
  }

  private constructor(
    around: Pick<UpstreamTlsOptions, 'clock' | 'log'>,
    serverName: string,
    files: WatchedFiles<Meeting> | undefined,
    meeting: Meeting,
  ) {
    this.serverName = serverName;
    this.#around = around;
    this.#files = files;
    this.#meeting = meeting;
    this.#agent = agentOf(meeting);
    files?.onChange((next) => {
      this.#meeting = next;
      // Requests on the connections of the old one go on to their end.
      this.#agent = agentOf(next);
    });
  }

  /** What an operator should know; undefined where all is well, as far as it was tried in the last minute. */
  doubt(): string | undefined {
    const nowMs = this.#around.clock.nowMs();
    if (this.#failure && nowMs - this.#failure.seenMs < logAgainMs) return this.#failure.words;
    if (this.#files?.refusal !== undefined) return `not reloaded: ${this.#files.refusal}`;
    const { shown } = this.#meeting;
    const outdated = shown && outOfDate(shown, nowMs);
    return outdated === undefined ? undefined : `upstream.client_cert_file: ${outdated}`;
  }

  reload(): Promise<void> {
    return this.#files?.reload() ?? Promise.resolve();
  }

  close(): void {
    this.#files?.close();
    this.#agent.destroy();
  }

  /** Makes the connections of an undici pool, each with what is in force then. */
  connector(timeoutMs: number): Connector {
    let made: { readonly meeting: Meeting; readonly connect: Connector } | undefined;
    return (place, callback) => {
      const meeting = this.#meeting;
      // It keeps sessions, and what was shown to the upstream is part of them.
      if (made?.meeting !== meeting)
        made = { meeting, connect: buildConnector({ ...meeting.settings, timeout: timeoutMs }) };
      // The name is among the settings; the one that comes here is from `Host`.
      made.connect({ ...place, servername: '' }, (...[error, socket]) => {
        // Since TLS 1.3 an upstream that wants a certificate says so when the connection is already made.
        if (socket)
          callback(
            null,
            socket.on('error', (late: Error) => this.explained(late)),
          );
        else callback(this.explained(error), null);
      });
    };
  }

  /** For connections by `node:https`, with what is in force now. */
  get agent(): Agent {
    return this.#agent;
  }

  /** The same error, for undici looks at what it is, with words for whoever reads the log. */
  explained(error: Error): Error {
    const words = explainTlsFailure(error);
    if (words === undefined) return error;
    error.message = words;
    const { clock, log } = this.#around;
    const seenMs = clock.nowMs();
    const last = this.#failure;
    const isTold = last?.words === words && seenMs - last.loggedMs < logAgainMs;
    if (!isTold) log.error({ reason: words, serverName: this.serverName }, 'the upstream is not trusted');
    this.#failure = { words, seenMs, loggedMs: isTold ? last.loggedMs : seenMs };
    return error;
  }
}

function settingsOf({ ca }: UpstreamTlsConfig, serverName: string, shown: KeyPair | undefined): Settings {
  return {
    secureContext: createSecureContext({
      ...(ca !== undefined && { ca }),
      ...(shown && { cert: shown.cert, key: shown.key }),
      minVersion: 'TLSv1.2',
    }),
    servername: serverNameFor(serverName),
    // Said, or the environment might say otherwise (NODE_TLS_REJECT_UNAUTHORIZED).
    rejectUnauthorized: true,
  };
}

function agentOf({ settings }: Meeting): Agent {
  return new Agent({ ...settings, keepAlive: true });
}
