import type { AccessLevel, MinimumAccessLevel } from '../core/access-level.ts';
import {
  actionOf,
  referenceOf,
  type Explanation,
  type HeldLevel,
  type MatchedRule,
  type Stage,
} from '../core/explain.ts';
import { abbreviateDigest, type Digest, type Tag } from '../core/reference.ts';
import type { Decision, Facts, Refusal, TagFact } from '../core/verdict.ts';
import { contentOf } from '../config/rule-content.ts';
import { fieldsOf, memberText, type RuleFields } from '../config/rule-fields.ts';
import type { Supposition } from './explain-facts.ts';

export type Verdict = 'allowed' | 'denied' | 'undecided';
type Outcome = 'met' | 'denies' | 'undecided' | 'spared';

/** One document of `tagwarden explain --json` and of `POST /api/v4/explain` (docs/cli.md). */
export interface ExplainReport {
  readonly format: 1;
  readonly rules_version: string;
  readonly action: 'push' | 'delete';
  readonly repository: string;
  readonly reference: string;
  readonly caller: {
    readonly subject: string | null;
    readonly groups: readonly string[];
    readonly access_level: AccessLevel;
    /** The member entry that gives it; null: it is the default. */
    readonly member: string | null;
  };
  /** What the tag is, where that matters. */
  readonly tag: TagReport | null;
  readonly verdict: Verdict;
  /** As docker prints it. */
  readonly message: string | null;
  /** The rules that decided. */
  readonly rules: readonly string[];
  readonly matched: readonly MatchReport[];
}

type TagReport =
  | { readonly state: 'absent' }
  | { readonly state: 'present'; readonly digest: string }
  | { readonly state: 'unknown'; readonly reason: string };

export interface MatchReport {
  readonly id: string;
  readonly stage: Stage;
  readonly enforcement: 'deny' | 'warn';
  readonly outcome: Outcome;
  readonly why: string;
  /** What the rule says, on one line. */
  readonly says: string;
  readonly rule: RuleFields;
}

export function reportOf(
  explanation: Explanation,
  supposed: Supposition,
  facts: Facts,
  rulesVersion: string,
): ExplainReport {
  const { operation, caller } = supposed;
  const { decision, held, matched } = explanation;
  const fact = [...facts.tags.values()][0];
  return {
    format: 1,
    rules_version: rulesVersion,
    action: actionOf(operation),
    repository: operation.repository,
    reference: referenceOf(operation),
    caller: {
      subject: caller.subject ?? null,
      groups: caller.groups,
      access_level: held.level,
      member: held.member ? memberText(held.member) : null,
    },
    tag: fact ? tagReport(fact) : null,
    ...verdictOf(explanation, supposed),
    rules: decision.effect === 'allow' ? explanation.grows : decision.ruleIds,
    matched: matched.map((match) => matchReport(match, held, supposed, facts)),
  };
}

function tagReport(fact: TagFact): TagReport {
  switch (fact.state) {
    case 'absent':
      return { state: 'absent' };
    case 'present':
      return { state: 'present', digest: fact.digest };
    case 'unknown':
      return { state: 'unknown', reason: fact.reason };
  }
}

/** The decision's; only that what is compared with the manifest itself cannot be told without it. */
function verdictOf(
  { decision, grows }: Explanation,
  { operation }: Supposition,
): Pick<ExplainReport, 'verdict' | 'message'> {
  if (decision.effect !== 'allow') {
    const verdict = decision.effect === 'deny' ? 'denied' : 'undecided';
    return { verdict, message: printed(decision.refusal) };
  }
  if (grows.length === 0) return { verdict: 'allowed', message: null };
  const what = `${operation.repository}:${referenceOf(operation)}`;
  const message = `${what} holds what refers to an image that rules keep (rule ${grows.join(', ')}): it may be added to and nothing dropped, which only its manifest shows`;
  return { verdict: 'undecided', message };
}

/** docker prints the code in lower case, with blanks. */
function printed({ code, message }: Refusal): string {
  return `${code.toLowerCase().replaceAll('_', ' ')}: ${message}`;
}

function matchReport(match: MatchedRule, held: HeldLevel, supposed: Supposition, facts: Facts): MatchReport {
  const { rule, stage, isWatched, alone } = match;
  const { outcome, why } = alone
    ? outcomeOf(match, held, supposed, facts)
    : { outcome: 'spared' as const, why: sparedBy(match) };
  return {
    id: rule.id,
    stage,
    enforcement: isWatched ? 'warn' : 'deny',
    ...{ outcome, why },
    says: contentOf(rule),
    rule: fieldsOf(rule),
  };
}

function outcomeOf(
  { stage, rule, needs, tag, alone }: MatchedRule,
  held: HeldLevel,
  supposed: Supposition,
  facts: Facts,
): { readonly outcome: Outcome; readonly why: string } {
  const outcome = alone?.effect === 'deny' ? 'denies' : alone?.effect === 'undecided' ? 'undecided' : 'met';
  const isForNobody = 'kind' in rule && rule.kind === 'immutable';
  if (!isForNobody && stage !== 'need') return { outcome, why: levelWords(needs, held, supposed) };
  const fact = tag === undefined ? undefined : facts.tags.get(tag);
  if (fact) return { outcome, why: stateWords(tag, fact, facts.pushed) };
  return { outcome, why: stage === 'need' ? needWords(alone, facts) : 'what the tag is was not asked' };
}

function levelWords(
  needs: MinimumAccessLevel | undefined,
  { level, member }: HeldLevel,
  { operation, caller }: Supposition,
): string {
  if (needs === undefined) return `asks for no level for a ${actionOf(operation)}`;
  if (needs === 'no_access') return 'needs no_access, which nobody has';
  const from = member ? `member ${memberText(member)}` : 'the default';
  return `needs ${needs}; ${caller.subject ?? 'the caller'} has ${level} (${from})`;
}

function needWords(alone: Decision | undefined, { needing }: Facts): string {
  if (alone?.effect === 'deny') return alone.refusal.message;
  if (!needing) return 'what needs it was not asked';
  return needing.state === 'unknown'
    ? `what needs it is not known: ${needing.reason}`
    : 'no tag of it needs that';
}

function stateWords(tag: Tag | undefined, fact: TagFact, pushed: Digest | undefined): string {
  const name = tag ?? 'the tag';
  switch (fact.state) {
    case 'unknown':
      return `what ${name} is is not known: ${fact.reason}`;
    case 'absent':
      return fact.was === undefined
        ? `${name} is not there`
        : `${name} was ${abbreviateDigest(fact.was)} and is gone`;
    case 'present': {
      const other = pushed !== undefined && !fact.isPushed ? `, and not ${abbreviateDigest(pushed)}` : '';
      return `${name} is ${abbreviateDigest(fact.digest)}${other}`;
    }
  }
}

function sparedBy({ rule, tag }: MatchedRule): string {
  const pattern = 'kind' in rule ? rule.excludedTags?.source : undefined;
  return `its exclusion ${pattern ?? ''} matches ${tag ?? 'the tag'}`;
}
