import { existsSync } from 'node:fs';
import type { BaseLogger } from 'pino';
import { editManagedRules, noManagedRules } from '../config/managed-document.ts';
import { parseManagedRules } from '../config/managed-rules.ts';
import { rulesSizeLimitBytes, type ParsedRules } from '../config/rules.ts';
import { managedStateOf, withManaged, type ManagedRules, type ManagedState } from '../core/managed-rules.ts';
import { StoreAway, type Clock } from '../core/ports.ts';
import { noRules, type RuleSet } from '../core/rule.ts';
import { isAbsent, lookAt } from './file-look.ts';
import { located, readRulesFile, RulesWatch } from './rules-watch.ts';
import { stageFile } from './staged-file.ts';

export interface ManagedRulesFileOptions {
  readonly path: string;
  readonly log: Pick<BaseLogger, 'info' | 'warn' | 'error'>;
  readonly clock: Clock;
}

/** By then an edit that is good is in force (RulesWatch). */
const editMs = 2_000;
const lookEveryMs = 50;

/**
 * Rules that are managed by one process: in a file that it rewrites, and that may be edited by hand meanwhile. There is
 * none until there is something in it.
 *
 * A change is made over what the file says, and only where that is what is in force: an edit is waited for until it is,
 * and nothing is written over one that is broken. The file is replaced as a whole, so that it is the old or the new one
 * at every moment.
 */
export class ManagedRulesFile implements ManagedRules {
  readonly #options: ManagedRulesFileOptions;
  readonly #watch: RulesWatch;
  #hear: ((rules: RuleSet) => void) | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Reads the rules, and watches them from now on.
   * @throws RulesRefused
   */
  static async open(options: ManagedRulesFileOptions): Promise<ManagedRulesFile> {
    const parse = (text: string) => Promise.resolve(parseManagedRules(text));
    return new ManagedRulesFile(options, await RulesWatch.open({ ...options, parse, withoutFile: noRules }));
  }

  private constructor(options: ManagedRulesFileOptions, watch: RulesWatch) {
    this.#options = options;
    this.#watch = watch;
    watch.onChange((rules) => this.#hear?.(rules));
  }

  /** The managed ones alone. */
  get rules(): RuleSet {
    return this.#watch.rules;
  }

  /** How often what the file had become could not be taken. */
  get failedReloads(): number {
    return this.#watch.failedReloads;
  }

  /** Tells one hearer of each change. */
  onChange(hear: (rules: RuleSet) => void): void {
    this.#hear = hear;
  }

  state(): Promise<ManagedState> {
    return Promise.resolve(managedStateOf(this.rules));
  }

  change(edit: (state: ManagedState) => ManagedState): Promise<ManagedState> {
    const turn = this.#last.then(() => this.#change(edit));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Waits for the change that is under way. */
  async close(): Promise<void> {
    await this.#last;
    this.#watch.close();
  }

  async #change(edit: (state: ManagedState) => ManagedState): Promise<ManagedState> {
    for (;;) {
      const text = await this.#settledText();
      const before = managedStateOf(this.rules);
      const after = edit(before);
      if (after === before || (await this.#write(text, before, after))) return after;
    }
  }

  /** @returns whether it was written: false where the file was edited meanwhile */
  async #write(text: string | undefined, before: ManagedState, after: ManagedState): Promise<boolean> {
    const { path, log } = this.#options;
    try {
      const edited = editManagedRules(text ?? noManagedRules, before, after);
      const staged = await stageFile(path, edited.text);
      if ((await this.#unsettled()) !== undefined) {
        await staged.discard();
        return false;
      }
      await staged.commit();
      this.#watch.take(edited.text, edited.rules);
      this.#hear?.(edited.rules);
      return true;
    } catch (error) {
      log.error({ path, err: error }, 'managed rules could not be written; they stay as they are');
      const reason = error instanceof Error ? error.message : String(error);
      throw new StoreAway(`${path} cannot be written (${reason})`, { cause: error });
    }
  }

  /**
   * What the file says, once that is in force.
   * @throws StoreAway
   */
  async #settledText(): Promise<string | undefined> {
    const { path, log, clock } = this.#options;
    const endMs = clock.nowMs() + editMs;
    for (;;) {
      const unsettled = await this.#unsettled();
      if (unsettled === undefined) return this.#watch.text;
      if (unsettled.errors.length > 0 || clock.nowMs() > endMs) {
        const reason = unsettled.errors.join('; ') || `${path} was edited, and that is not in force yet`;
        log.error({ path, reason }, 'managed rules were not changed: the file cannot be taken as it is');
        throw new StoreAway(reason);
      }
      await clock.sleep(lookEveryMs);
    }
  }

  /** What is wrong with a file that is not what is in force; undefined where it is. */
  async #unsettled(): Promise<{ readonly errors: readonly string[] } | undefined> {
    const { path } = this.#options;
    const look = await lookAt(path, rulesSizeLimitBytes);
    const known = this.#watch.text;
    if (known === undefined && isAbsent(look)) return undefined;
    if ('failure' in look) return { errors: [`${path}: ${look.failure}`] };
    if (look.text === known) return undefined;
    const parsed = parseManagedRules(look.text);
    return { errors: 'errors' in parsed ? located(path, parsed.errors) : [] };
  }
}

/** What a process without Redis judges by, an operator's file and the managed one where there is one; or all errors. */
export function readRulesFiles(path: string, managedPath: string): ParsedRules {
  const [file, managed] = [readRulesFile(path), readManagedFile(managedPath)];
  if ('rules' in file && 'rules' in managed) return { rules: besideFile(file.rules, managed.rules) };
  return { errors: [...errorsIn(file), ...errorsIn(managed)] };
}

/** Every error of them; undefined is a file that is not asked for. */
export function checkRulesFiles(
  path: string | undefined,
  managedPath: string | undefined,
): readonly string[] {
  return [
    ...(path === undefined ? [] : errorsIn(readRulesFile(path))),
    ...(managedPath === undefined ? [] : errorsIn(readManagedFile(managedPath))),
  ];
}

function readManagedFile(path: string): ParsedRules {
  return existsSync(path) ? readRulesFile(path, parseManagedRules) : { rules: noRules };
}

function errorsIn(parsed: ParsedRules): readonly string[] {
  return 'errors' in parsed ? parsed.errors : [];
}

/** The rules of an operator's file, and those that are managed beside it. */
export function besideFile(file: RuleSet, managed: RuleSet | undefined): RuleSet {
  if (!managed?.registry) return file;
  return { ...withManaged(file, managedStateOf(managed)), version: `${file.version}+${managed.version}` };
}
