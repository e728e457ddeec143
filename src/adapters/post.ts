import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';

export interface Posting {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Certificates (PEM) to trust, in place of the system's. */
  readonly ca?: string | undefined;
  readonly withinMs: number;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
}

export interface Posted {
  readonly status: number;
  /** As `Retry-After` asks for. */
  readonly retryAfterMs?: number;
}

/** What a receiver says beside its status is not read; it gets this far with it. */
const answerLimitBytes = 64 * 1024;

/**
 * Sends one `POST` on a connection of its own, and follows no redirect.
 * @throws Error where there is no answer in time
 */
export function post({ url, headers, body, ca, withinMs, signal }: Posting): Promise<Posted> {
  const bytes = Buffer.from(body);
  const options = {
    ...{ method: 'POST', agent: false, headers: { ...headers, 'Content-Length': bytes.length } },
    ...(signal && { signal }),
  };
  return new Promise((resolve, reject) => {
    const req = url.startsWith('https:')
      ? // Said, or the environment might say otherwise (NODE_TLS_REJECT_UNAUTHORIZED).
        tlsRequest(url, { ...options, rejectUnauthorized: true, ...(ca !== undefined && { ca }) })
      : plainRequest(url, options);
    const timer = setTimeout(() => req.destroy(new Error(`no answer within ${withinMs} ms`)), withinMs);
    timer.unref();
    req
      .on('close', () => {
        clearTimeout(timer);
      })
      .on('error', reject)
      .on('response', (answer) => {
        let read = 0;
        answer
          .on('error', () => undefined)
          .on('data', (chunk: Buffer) => {
            read += chunk.length;
            if (read > answerLimitBytes) answer.destroy();
          });
        const retryAfterMs = waitIn(answer.headers['retry-after']);
        resolve({ status: answer.statusCode ?? 0, ...(retryAfterMs !== undefined && { retryAfterMs }) });
      })
      .end(bytes);
  });
}

/** RFC 9110, section 10.2.3: seconds, or a time. */
function waitIn(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : Math.max(atMs - Date.now(), 0);
}
