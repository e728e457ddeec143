import type { BaseLogger } from 'pino';
import type { RepositoryRule, RuleSet, TagRule } from '../core/rule.ts';
import { contentOf } from '../config/rule-content.ts';
import { withFirstPushTimes } from './rules-change.ts';

/** The switch `immutability.enabled`. */
export interface SwitchState {
  readonly isEnabled: boolean;
  /** Epoch milliseconds: what was pushed while it was off made no claim, and may still be on its way until then. */
  readonly admitsFirstPushFromMs: number;
}

/** For operators. */
export interface RulesHistory {
  /** How often what the rules had become could not be taken. */
  readonly failedReloads: number;
  /** Since when, in epoch milliseconds, those in force have been so here; undefined: there are none yet. */
  readonly inForceSinceMs: number | undefined;
}

export interface InForce {
  /** All of them, also while the switch is off. */
  readonly rules: RuleSet;
  readonly switch: SwitchState;
  /** What requests are judged by. */
  readonly effective: RuleSet;
}

/**
 * What is in force after what was until now.
 * @param settledFromMs when every write that was judged until now has ended
 */
export function inForceAfter(
  before: InForce | undefined,
  next: Pick<InForce, 'rules' | 'switch'>,
  settledFromMs: number,
): InForce {
  if (!before) return { ...next, effective: effectiveOf(next.rules, next.switch) };
  const rules = withFirstPushTimes(before.rules, next.rules, settledFromMs);
  const wasOnFromMs = before.switch.isEnabled ? before.switch.admitsFirstPushFromMs : settledFromMs;
  const { isEnabled } = next.switch;
  const position = {
    isEnabled,
    admitsFirstPushFromMs: Math.max(next.switch.admitsFirstPushFromMs, wasOnFromMs),
  };
  return { rules, switch: position, effective: effectiveOf(rules, position) };
}

function effectiveOf(rules: RuleSet, position: SwitchState): RuleSet {
  const counting = switched(rules, position);
  const enforced = { ...counting, ...rulesThat(counting, (rule) => rule.enforcement !== 'warn') };
  const warning = rulesThat(counting, (rule) => rule.enforcement === 'warn');
  if (warning.repositoryRules.length + warning.tagRules.length === 0) return enforced;
  // What they admit later, would they deny, is admitted now.
  const tagRules = warning.tagRules.map((rule) =>
    rule.kind === 'immutable' ? { ...rule, admitsFirstPushFromMs: 0 } : rule,
  );
  // Another version: what is found out by the one says nothing of the other.
  const version = `${counting.version}-watched`;
  return { ...enforced, watched: { ...counting, ...warning, version, tagRules } };
}

function rulesThat(
  { repositoryRules, tagRules }: RuleSet,
  fits: (rule: RepositoryRule | TagRule) => boolean,
): Pick<RuleSet, 'repositoryRules' | 'tagRules'> {
  return { repositoryRules: repositoryRules.filter(fits), tagRules: tagRules.filter(fits) };
}

function switched(rules: RuleSet, { isEnabled, admitsFirstPushFromMs }: SwitchState): RuleSet {
  if (!isEnabled) {
    const tagRules = rules.tagRules.filter((rule) => rule.kind !== 'immutable');
    return { ...rules, version: `${rules.version}-mutable`, tagRules };
  }
  const tagRules = rules.tagRules.map((rule) => {
    if (rule.kind !== 'immutable') return rule;
    return { ...rule, admitsFirstPushFromMs: Math.max(rule.admitsFirstPushFromMs, admitsFirstPushFromMs) };
  });
  return { ...rules, tagRules };
}

export function countsOf({ version, repositoryRules, tagRules, members, watched }: RuleSet) {
  return {
    version,
    ...(watched && { onlyWarning: watched.repositoryRules.length + watched.tagRules.length }),
    repositoryRules: repositoryRules.length,
    tagRules: tagRules.length,
    members: members.length,
  };
}

/** Passes on what has come into force here; resolves when it is in force wherever it must be. Never rejects. */
export type Settle = () => Promise<void>;

/**
 * Says so in the log, once it is so.
 * @param source where they come from, as `{ path }`
 * @param settle absent: this process alone judges by them
 */
export function tellInForce(
  log: Pick<BaseLogger, 'info' | 'warn'>,
  inForce: InForce,
  source: Readonly<Record<string, unknown>>,
  settle?: Settle,
): void {
  const tell = (): void => {
    logInForce(log, inForce, source);
  };
  if (settle) void settle().then(tell);
  else tell();
}

function logInForce(
  log: Pick<BaseLogger, 'info' | 'warn'>,
  { effective, switch: position }: InForce,
  source: Readonly<Record<string, unknown>>,
): void {
  log.info({ ...source, ...countsOf(effective) }, 'rules in force');
  if (!position.isEnabled) log.warn('immutable rules do not count: immutability.enabled is false');
}

/** Other rules than before are in force, whoever changed them. */
export interface RulesChange {
  readonly rulesVersion: string;
  readonly rulesVersionBefore: string;
  /** As `id: what it says`, the first hundred of each. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** The switch, where it was thrown. */
  readonly immutability?: 'on' | 'off';
}

/** Tells whoever hears, if anybody does, what is another than it was: to compare thousands of rules takes a while. */
export function tellChange(
  hear: ((change: RulesChange) => void) | undefined,
  before: InForce | undefined,
  after: InForce,
): void {
  const change = hear && before && changeBetween(before, after);
  if (change) hear(change);
}

function changeBetween(before: InForce, after: InForce): RulesChange | undefined {
  const [was, is] = [saidBy(before), saidBy(after)];
  const isThrown = before.switch.isEnabled !== after.switch.isEnabled;
  const added = [...is].filter((said) => !was.has(said));
  const removed = [...was].filter((said) => !is.has(said));
  if (!isThrown && added.length + removed.length === 0) return undefined;
  return {
    rulesVersion: after.effective.version,
    rulesVersionBefore: before.effective.version,
    added: added.slice(0, toldLimit),
    removed: removed.slice(0, toldLimit),
    ...(isThrown && { immutability: after.switch.isEnabled ? 'on' : 'off' }),
  };
}

const toldLimit = 100;

function saidBy({ rules: { repositoryRules, tagRules, members } }: InForce): ReadonlySet<string> {
  const rules = [...repositoryRules, ...tagRules].map((rule) => `${rule.id}: ${contentOf(rule)}`);
  return new Set([...rules, ...members.map((member) => `member: ${contentOf(member)}`)]);
}
