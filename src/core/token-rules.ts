import { compileTagPattern, PatternError, type Pattern } from './pattern.ts';
import type { Repository } from './reference.ts';
import type { Caller, RuleSet, TagRule } from './rule.ts';
import { denied, type Stop } from './verdict.ts';

/** GitLab's patterns of one `access` entry of a token (`meta`), as far as they are well-formed. */
export interface TokenPatterns {
  readonly repository: string;
  /** Tags that the bearer may not push, or delete. */
  readonly deniedForPush: readonly string[];
  readonly deniedForDelete: readonly string[];
  readonly immutable: readonly string[];
  /** What is there but is no list of patterns: nobody knows what it was meant to forbid. */
  readonly malformed: readonly string[];
}

/** Reads `meta.tag_deny_access_patterns {push, delete}` and `meta.tag_immutable_patterns`; absent is unrestricted. */
export function readTokenPatterns(repository: string, meta: unknown): TokenPatterns {
  const fields = isRecord(meta) ? meta : {};
  const { tag_deny_access_patterns: denials, tag_immutable_patterns: immutable } = fields;
  const malformed: string[] = [];
  const list = (value: unknown, name: string): readonly string[] => {
    if (value === undefined || value === null) return [];
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
    malformed.push(name);
    return [];
  };
  if (meta !== undefined && meta !== null && !isRecord(meta)) malformed.push('meta');
  const isAbsent = denials === undefined || denials === null;
  if (!isAbsent && !isRecord(denials)) malformed.push('tag_deny_access_patterns');
  const { push, delete: removal } = isRecord(denials) ? denials : {};
  return {
    repository,
    deniedForPush: list(push, 'tag_deny_access_patterns.push'),
    deniedForDelete: list(removal, 'tag_deny_access_patterns.delete'),
    immutable: list(immutable, 'tag_immutable_patterns'),
    malformed,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The rules that bind this caller in this repository: the local ones, and those of the caller's token for exactly this
 * repository. A pattern that does not compile denies: a bad rule must never just not match.
 */
export function bindToken(rules: RuleSet, repository: Repository, caller: Caller): RuleSet | Stop {
  const entries = (caller.tokenPatterns ?? []).filter((entry) => entry.repository === repository);
  if (entries.length === 0) return rules;
  try {
    const malformed = entries.flatMap((entry) => entry.malformed)[0];
    if (malformed !== undefined) throw new PatternError(`${malformed} is no list of patterns`);
    return { ...rules, tokenRules: entries.flatMap(tagRulesOf) };
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    const message = `the token has a tag pattern for ${repository} that cannot be read (${error.message}); ask its issuer`;
    return denied(['token'], message, { repository, rule: 'token' });
  }
}

function tagRulesOf({ deniedForPush, deniedForDelete, immutable }: TokenPatterns): TagRule[] {
  const rule = (pattern: string): { id: string; tags: Pattern } => ({
    id: `token ${pattern}`,
    tags: compileTagPattern(pattern),
  });
  return [
    // The issuer has weighed the bearer's level already: what it lists is denied to the bearer at any level.
    ...deniedForPush.map((pattern): TagRule => ({
      kind: 'protected',
      ...rule(pattern),
      minimumAccessLevelForPush: 'no_access',
    })),
    ...deniedForDelete.map((pattern): TagRule => ({
      kind: 'protected',
      ...rule(pattern),
      minimumAccessLevelForDelete: 'no_access',
    })),
    ...immutable.map((pattern): TagRule => ({
      kind: 'immutable',
      ...rule(pattern),
      admitsFirstPushFromMs: 0,
    })),
  ];
}
