import type { BaseLogger } from 'pino';
import { readSwitch } from '../config/switch.ts';
import { StoreAway, type Clock } from '../core/ports.ts';
import { FileWatch, type Candidate } from './file-watch.ts';
import type { ImmutabilitySwitch } from './immutability-switch.ts';

export interface SwitchFileOptions {
  /** The configuration file. */
  readonly path: string;
  /** What the file said when the configuration was read. */
  readonly isEnabled: boolean;
  readonly switched: ImmutabilitySwitch;
  readonly log: Pick<BaseLogger, 'info' | 'warn' | 'error'>;
  readonly clock: Clock;
}

const sizeLimitBytes = 1024 * 1024;
/** A file without the key may be one that is being written, up to there. */
const looksToMiss = 5;
const retryMs = 250;

/**
 * Switches when `immutability.enabled` changes in the configuration file. Only a change counts: what the file has said
 * all along may have been overruled on all replicas since. A file that is broken or gone changes nothing, nor can one
 * that is half written switch off: that takes the key, with its value.
 */
export class SwitchFile {
  readonly #options: SwitchFileOptions;
  readonly #watch: FileWatch;
  /** What the file says. */
  #isEnabled: boolean;
  /** What was last passed on. */
  #passedOn: boolean;
  #isPassingOn = false;
  #isClosed = false;

  constructor(options: SwitchFileOptions) {
    const { path, clock, isEnabled } = options;
    this.#options = options;
    this.#isEnabled = isEnabled;
    this.#passedOn = isEnabled;
    this.#watch = new FileWatch({
      path,
      clock,
      sizeLimitBytes,
      judge: (candidate) => this.#judge(candidate),
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#watch.close();
  }

  #judge({ look, looks }: Candidate): boolean {
    const { path, log } = this.#options;
    const outcome = 'failure' in look ? { errors: [`: ${look.failure}`] } : readSwitch(look.text);
    if ('errors' in outcome) {
      const errors = outcome.errors.map((error) => `${path}:${error}`);
      log.error({ errors }, 'configuration file refused; immutability.enabled stays as it is');
      return true;
    }
    const { isEnabled, isExplicit } = outcome.value;
    if (isEnabled === this.#isEnabled) return true;
    if (!isExplicit && looks < looksToMiss) return false;
    log.warn({ path, isEnabled }, 'immutability.enabled was changed in the configuration file');
    this.#isEnabled = isEnabled;
    void this.#passOn();
    return true;
  }

  /** Tries until it is done: an operator must not have to look whether the switch was heard. */
  async #passOn(): Promise<void> {
    if (this.#isPassingOn) return;
    this.#isPassingOn = true;
    while (this.#passedOn !== this.#isEnabled && !this.#isClosed) {
      const isEnabled = this.#isEnabled;
      try {
        await this.#options.switched.switchImmutability(isEnabled);
        this.#passedOn = isEnabled;
      } catch (error) {
        if (!(error instanceof StoreAway)) throw error;
        await this.#options.clock.sleep(retryMs);
      }
    }
    this.#isPassingOn = false;
  }
}
