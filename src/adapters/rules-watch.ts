import type { BaseLogger } from 'pino';
import type { Clock } from '../core/ports.ts';
import type { RuleSet } from '../core/rule.ts';
import { Invalid } from '../config/complaints.ts';
import { readText } from '../config/files.ts';
import { parseRules, rulesSizeLimitBytes, type ParsedRules } from '../config/rules.ts';
import { isAbsent, lookAt, type Look } from './file-look.ts';
import { FileWatch, type Candidate } from './file-watch.ts';
import { parseRulesAside } from './rules-parser.ts';
import { loosens, signOfUnfinishedWrite } from './rules-change.ts';

export interface RulesWatchOptions {
  readonly path: string;
  readonly log: Pick<BaseLogger, 'info' | 'warn' | 'error'>;
  readonly clock: Clock;
  /** Absent: as an operator's own rules file is read. Never rejects. */
  readonly parse?: (text: string) => Promise<ParsedRules>;
  /** What counts where there is no file at the start; absent: then it is refused. */
  readonly withoutFile?: RuleSet;
}

/** Still within a second: four looks after the first. */
const looksToLoosen = 5;

/** The rules file cannot be used; the message has a line for each error. */
export class RulesRefused extends Error {}

/**
 * What a rules file says, and what becomes of it while we run. A file that is broken or gone leaves the last good rules.
 *
 * A file that is being written in place is, at many moments, a good file with rules missing. Therefore:
 * - the last line must end with a line break, or the text is broken (parseRules);
 * - a text counts once two looks, 150 ms apart, found the same (FileWatch);
 * - a text that *loosens* (a rule is missing, a member has more) counts after five;
 * - one that loosens and is the beginning of what was taken never counts, unless it ends with YAML's own mark for
 *   "the document ends here", a line `...`; nor, after a text with that mark, does one that loosens without it;
 * - the last does not hold for another file that takes the place of this one, by a rename or a swapped link.
 * What is left: a writer that stops for more than 600 ms inside a *different* text, at the end of a line, where the
 * text makes sense. Against that too there are `...`, and a rename.
 */
export class RulesWatch {
  readonly #options: RulesWatchOptions;
  readonly #watch: FileWatch;
  #taken: Taken;
  /** Of the last candidate: it is judged several times, and a long text takes long. */
  #parsed: { readonly text: string; readonly outcome: ParsedRules } | undefined;
  #hear: ((rules: RuleSet) => void) | undefined;
  #failedReloads = 0;
  #isClosed = false;

  /**
   * Reads the rules, and watches them from now on.
   * @throws RulesRefused
   */
  static async open(options: RulesWatchOptions): Promise<RulesWatch> {
    const { path, parse = parseRulesAside, withoutFile } = options;
    const look = await lookAt(path, rulesSizeLimitBytes);
    if (withoutFile && isAbsent(look))
      return new RulesWatch(options, look, { text: undefined, rules: withoutFile });
    if ('failure' in look) throw new RulesRefused(`${path}: ${look.failure}`);
    const parsed = await parse(look.text);
    if ('errors' in parsed) throw new RulesRefused(located(path, parsed.errors).join('\n'));
    return new RulesWatch(options, look, { text: look.text, rules: parsed.rules });
  }

  private constructor(options: RulesWatchOptions, look: Look, taken: Taken) {
    this.#options = options;
    this.#taken = taken;
    this.#watch = new FileWatch({
      known: look,
      path: options.path,
      clock: options.clock,
      sizeLimitBytes: rulesSizeLimitBytes,
      judge: (candidate) => this.#judge(candidate),
    });
  }

  /** As they are written: immutable rules admit first pushes at once, for the file does not know what was before. */
  get rules(): RuleSet {
    return this.#taken.rules;
  }

  /** What the file said then; undefined as long as there was none. */
  get text(): string | undefined {
    return this.#taken.text;
  }

  /** How often what the file had become could not be taken. */
  get failedReloads(): number {
    return this.#failedReloads;
  }

  /** Counts from now on, as whoever has just written it to the file knows; the hearer is not told. */
  take(text: string, rules: RuleSet): void {
    this.#taken = { text, rules };
  }

  /** Tells one hearer of each change. */
  onChange(hear: (rules: RuleSet) => void): void {
    this.#hear = hear;
  }

  close(): void {
    this.#isClosed = true;
    this.#watch.close();
  }

  async #judge({ look, looks, isReplacement }: Candidate): Promise<boolean> {
    const { path, log } = this.#options;
    if ('failure' in look) return this.#refuse([`${path}: ${look.failure}`]);
    const taken = this.#taken;
    const { text = '', rules: before } = taken;
    if (look.text === taken.text) {
      log.info({ path, version: before.version }, 'the rules file is what was taken last');
      return true;
    }
    const outcome = await this.#parse(look.text);
    if (this.#isClosed) return true;
    // Meanwhile the file was written by ourselves: it is looked at again.
    if (this.#taken !== taken) return false;
    if ('errors' in outcome) return this.#refuse(located(path, outcome.errors));
    if (loosens(before, outcome.rules)) {
      const sign = isReplacement ? undefined : signOfUnfinishedWrite(text, look.text);
      if (sign !== undefined) return this.#refuse([`${path}: looks unfinished: ${sign}; ${unfinishedMend}`]);
      if (looks < looksToLoosen) return false;
    }
    this.#taken = { text: look.text, rules: outcome.rules };
    this.#hear?.(outcome.rules);
    return true;
  }

  async #parse(text: string): Promise<ParsedRules> {
    const { parse = parseRulesAside } = this.#options;
    if (this.#parsed?.text !== text) this.#parsed = { text, outcome: await parse(text) };
    return this.#parsed.outcome;
  }

  #refuse(errors: readonly string[]): true {
    this.#failedReloads += 1;
    const details = { errors, version: this.rules.version, failedReloads: this.#failedReloads };
    this.#options.log.error(details, 'rules file refused; the last good rules stay in force');
    return true;
  }
}

const unfinishedMend = 'if rules shall go, end the file with a line "...", or replace it by a rename';

interface Taken {
  readonly text: string | undefined;
  readonly rules: RuleSet;
}

/** What a rules file says now, or every error of it, each with its place. */
export function readRulesFile(path: string, parse = parseRules): ParsedRules {
  try {
    const parsed = parse(readText(path));
    return 'errors' in parsed ? { errors: located(path, parsed.errors) } : parsed;
  } catch (error) {
    if (error instanceof Invalid) return { errors: [error.message] };
    throw error;
  }
}

export function located(path: string, errors: readonly string[]): readonly string[] {
  return errors.map((error) => `${path}:${error}`);
}
