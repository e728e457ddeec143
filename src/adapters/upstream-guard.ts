import type { Clock } from '../core/ports.ts';
import type { Upstream } from './upstream.ts';

const checkEveryMs = 5 * 60_000;
const checkAgainMs = 5_000;
const withinMs = 5_000;
const answerLimitBytes = 1024 * 1024;
/** Signed by nobody, and not expired (in 2100): whoever lets it in lets everybody in. */
const forged = [
  { alg: 'RS256', typ: 'JWT' },
  { sub: 'tagwarden-probe', iat: 1_735_689_600, exp: 4_102_444_800, access: [] },
]
  .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
  .concat('Zm9yZ2Vk')
  .join('.');
const probes = [[], ['Authorization', `Bearer ${forged}`]];

/**
 * Sees to it, in `auth.mode: upstream`, that the upstream really checks credentials: that it answers 401 to a bare
 * `GET /v2/` and to one with a forged token. As long as it was not seen to, no write is judged.
 */
export class UpstreamGuard {
  readonly #upstream: Upstream;
  readonly #clock: Clock;
  readonly #onChange: (state: string) => void;
  #state = 'not checked yet';
  #isClosed = false;

  constructor(upstream: Upstream, clock: Clock, onChange: (state: string) => void) {
    this.#upstream = upstream;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** `ok`, or why writes are refused. */
  get state(): string {
    return this.#state;
  }

  /** Resolves after the first check, and goes on checking. */
  async start(): Promise<void> {
    await this.check();
    void this.#watch();
  }

  close(): void {
    this.#isClosed = true;
  }

  async check(): Promise<void> {
    const state = await this.#probe();
    if (state !== this.#state) this.#onChange(state);
    this.#state = state;
  }

  async #watch(): Promise<void> {
    for (;;) {
      await this.#clock.sleep(this.#state === 'ok' ? checkEveryMs : checkAgainMs);
      if (this.#isClosed) return;
      await this.check();
    }
  }

  async #probe(): Promise<string> {
    for (const headers of probes) {
      try {
        const { status } = await this.#upstream.ask(
          { method: 'GET', target: '/v2/', headers },
          withinMs,
          answerLimitBytes,
        );
        const what = headers.length === 0 ? 'a request without credentials' : 'a forged token';
        if (status !== 401)
          return `the upstream answers ${status} to ${what}, not 401: it checks no credentials`;
      } catch {
        return 'the upstream does not answer, and so it is not known whether it checks credentials';
      }
    }
    return 'ok';
  }
}
