import type { BaseLogger } from 'pino';
import type { Clock, RuleSource } from '../core/ports.ts';
import type { RuleSet } from '../core/rule.ts';
import { Invalid } from '../config/complaints.ts';
import { readText } from '../config/files.ts';
import { parseRules, rulesSizeLimitBytes, type ParsedRules } from '../config/rules.ts';
import { steadyClock } from './clock.ts';
import { isReplacement, isSame, lookAt, type Look } from './file-look.ts';
import { loosens, signOfUnfinishedWrite, withFirstPushTimes } from './rules-change.ts';

export interface RulesFileOptions {
  readonly path: string;
  readonly log: Pick<BaseLogger, 'info' | 'warn' | 'error'>;
  readonly clock?: Clock;
  /** How long a write that was judged under other rules may still be on its way. */
  readonly putDeadlineMs: number;
  /** The switch: without it immutable rules do not count. */
  readonly immutabilityEnabled: boolean;
}

// Polled, not watched: inotify follows the inode, and so it misses a link that is swapped in another directory
// (Kubernetes), a bind mount, NFS. A look is an open and an fstat; nothing is read while nothing changes.
const lookEveryMs = 150;
const looksToTake = 2;
/** Still within a second: four looks after the first. */
const looksToLoosen = 5;

/** The rules file cannot be used; the message has a line for each error. */
export class RulesRefused extends Error {}

/**
 * The rules of a file, and of what becomes of it while we run. A change is in force within a second; a file that is
 * broken or gone leaves the last good rules in force.
 *
 * A file that is being written in place is, at many moments, a good file with rules missing. Therefore:
 * - the last line must end with a line break, or the text is broken (parseRules);
 * - a text counts once two looks, 150 ms apart, found the same; looks are counted and not milliseconds, for they
 *   stand still together with a machine that is suspended;
 * - a text that *loosens* (a rule is missing, a member has more) counts after five;
 * - one that loosens and is the beginning of what is in force never counts, unless it ends with YAML's own mark for
 *   "the document ends here", a line `...`; nor, after a text with that mark, does one that loosens without it;
 * - the last does not hold for another file that takes the place of this one, by a rename or a swapped link.
 * What is left: a writer that stops for more than 600 ms inside a *different* text, at the end of a line, where the
 * text makes sense. Against that too there are `...`, and a rename.
 */
export class RulesFile implements RuleSource {
  readonly #options: RulesFileOptions;
  readonly #clock: Clock;
  #inForce: InForce;
  #candidate: Candidate;
  #failedReloads = 0;
  #isClosed = false;

  /**
   * Reads the rules, and watches them from now on.
   * @throws RulesRefused
   */
  static async open(options: RulesFileOptions): Promise<RulesFile> {
    const { path } = options;
    const look = await lookAt(path, rulesSizeLimitBytes);
    if ('failure' in look) throw new RulesRefused(`${path}: ${look.failure}`);
    const parsed = parseRules(look.text);
    if ('errors' in parsed) throw new RulesRefused(located(path, parsed.errors).join('\n'));
    const file = new RulesFile(
      options,
      { look, looks: 1, isSettled: true, isReplacement: false },
      {
        text: look.text,
        rules: inEffect(parsed.rules, options),
      },
    );
    file.#tellWhatIsInForce();
    void file.#watch();
    return file;
  }

  private constructor(options: RulesFileOptions, candidate: Candidate, inForce: InForce) {
    this.#options = options;
    this.#clock = options.clock ?? steadyClock;
    this.#candidate = candidate;
    this.#inForce = inForce;
  }

  current(): RuleSet {
    return this.#inForce.rules;
  }

  get loaded() {
    const { version, repositoryRules, tagRules, members } = this.#inForce.rules;
    return {
      version,
      repositoryRules: repositoryRules.length,
      tagRules: tagRules.length,
      members: members.length,
    };
  }

  /** How often what the file had become could not be taken. */
  get failedReloads(): number {
    return this.#failedReloads;
  }

  close(): void {
    this.#isClosed = true;
  }

  async #watch(): Promise<void> {
    for (;;) {
      await this.#clock.sleep(lookEveryMs);
      if (this.#isClosed) return;
      const { look: known, isSettled } = this.#candidate;
      this.#see(await lookAt(this.#options.path, rulesSizeLimitBytes, isSettled ? known : undefined));
    }
  }

  #see(look: Look): void {
    if (this.#isClosed) return;
    const replaced = isReplacement(this.#candidate.look, look);
    if (replaced || !isSame(this.#candidate.look, look)) {
      this.#candidate = { look, looks: 0, isSettled: false, isReplacement: replaced };
    }
    const candidate = this.#candidate;
    candidate.look = look;
    candidate.looks += 1;
    if (!candidate.isSettled && candidate.looks >= looksToTake) candidate.isSettled = this.#judge(candidate);
  }

  /** Takes a candidate, or refuses it for good; false where it takes more looks to tell. */
  #judge(candidate: Candidate): boolean {
    const { path, log, putDeadlineMs } = this.#options;
    const { look, looks } = candidate;
    if ('failure' in look) return this.#refuse([`${path}: ${look.failure}`]);
    if (look.text === this.#inForce.text) {
      log.info({ path, ...this.loaded }, 'the rules file is what is in force');
      return true;
    }
    const parsed = (candidate.parsed ??= parseRules(look.text));
    if ('errors' in parsed) return this.#refuse(located(path, parsed.errors));
    const before = this.#inForce;
    const rules = inEffect(parsed.rules, this.#options);
    if (loosens(before.rules, rules)) {
      const sign = candidate.isReplacement ? undefined : signOfUnfinishedWrite(before.text, look.text);
      if (sign !== undefined) return this.#refuse([`${path}: looks unfinished: ${sign}; ${unfinishedMend}`]);
      if (looks < looksToLoosen) return false;
    }
    const newFromMs = this.#clock.nowMs() + putDeadlineMs;
    this.#inForce = { text: look.text, rules: withFirstPushTimes(before.rules, rules, newFromMs) };
    this.#tellWhatIsInForce();
    return true;
  }

  #refuse(errors: readonly string[]): true {
    this.#failedReloads += 1;
    const details = { errors, inForce: this.loaded.version, failedReloads: this.#failedReloads };
    this.#options.log.error(details, 'rules file refused; the last good rules stay in force');
    return true;
  }

  #tellWhatIsInForce(): void {
    const { path, log, immutabilityEnabled } = this.#options;
    log.info({ path, ...this.loaded }, 'rules in force');
    if (!immutabilityEnabled) log.warn('immutable rules do not count: immutability.enabled is false');
  }
}

const unfinishedMend = 'if rules shall go, end the file with a line "...", or replace it by a rename';

interface InForce {
  readonly text: string;
  readonly rules: RuleSet;
}

/** What the file has become, while it is not yet known whether it will stay so. */
interface Candidate {
  look: Look;
  looks: number;
  /** Taken or refused: nothing is left to be done about it. */
  isSettled: boolean;
  /** It came whole, in another file: no write in place. */
  readonly isReplacement: boolean;
  parsed?: ParsedRules;
}

/** Every error of a rules file, each with its place. */
export function checkRulesFile(path: string): readonly string[] {
  try {
    const parsed = parseRules(readText(path));
    return 'errors' in parsed ? located(path, parsed.errors) : [];
  } catch (error) {
    if (error instanceof Invalid) return [error.message];
    throw error;
  }
}

function located(path: string, errors: readonly string[]): readonly string[] {
  return errors.map((error) => `${path}:${error}`);
}

function inEffect(rules: RuleSet, { immutabilityEnabled }: RulesFileOptions): RuleSet {
  if (immutabilityEnabled) return rules;
  return { ...rules, tagRules: rules.tagRules.filter((rule) => rule.kind !== 'immutable') };
}
