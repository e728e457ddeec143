import type { RuleSet } from '../core/rule.ts';
import { contentOf } from '../config/rule-content.ts';

/** Whether a change takes a rule away, or gives a member more than was given: what a write that was cut short can do. */
export function loosens(before: RuleSet, after: RuleSet): boolean {
  return !isSubset(contents(rulesOf(before)), contents(rulesOf(after))) || givesMore(before, after);
}

function givesMore(before: RuleSet, after: RuleSet): boolean {
  return !isSubset(contents(after.members), contents(before.members));
}

function rulesOf({ repositoryRules, tagRules }: RuleSet) {
  return [...repositoryRules, ...tagRules];
}

function contents(parts: readonly Parameters<typeof contentOf>[0][]): ReadonlySet<string> {
  return new Set(parts.map(contentOf));
}

function isSubset(part: ReadonlySet<string>, whole: ReadonlySet<string>): boolean {
  return [...part].every((content) => whole.has(content));
}

/**
 * Why a text that is good and loosens may still be a write that stopped half-way (a stalled copy, a full disk),
 * however long it has been lying there. A line `...`, YAML's mark for the end of a document, settles it both ways: a
 * text that has it is whole, and after one that had it no text without it is.
 */
export function signOfUnfinishedWrite(before: string, after: string): string | undefined {
  if (endsItself(after)) return undefined;
  if (endsItself(before)) return 'the rules in force end with a line "...", and it does not';
  return before.startsWith(after) ? 'it is the beginning of the rules in force' : undefined;
}

function endsItself(text: string): boolean {
  return /(?:^|\n)\.\.\.[ \t]*\r?\n\s*$/.test(text);
}

/**
 * The new rules, where a rule that was not in force before holds first pushes back until the writes that were judged
 * without it have settled, and one that was does not do so for less long than it did. A rule is known again by what it
 * says: an id is only a name.
 */
export function withFirstPushTimes(before: RuleSet, after: RuleSet, newFromMs: number): RuleSet {
  const times = firstPushTimes(before);
  const tagRules = after.tagRules.map((rule) => {
    if (rule.kind !== 'immutable') return rule;
    const knownFromMs = times.get(contentOf(rule)) ?? newFromMs;
    return { ...rule, admitsFirstPushFromMs: Math.max(rule.admitsFirstPushFromMs, knownFromMs) };
  });
  return { ...after, tagRules };
}

/** From when each immutable rule admits first pushes, by what it says. */
export function firstPushTimes({ tagRules }: RuleSet): ReadonlyMap<string, number> {
  return new Map(
    tagRules
      .filter((rule) => rule.kind === 'immutable')
      .map((rule) => [contentOf(rule), rule.admitsFirstPushFromMs] as const),
  );
}
