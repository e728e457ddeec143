import { createHash } from 'node:crypto';
import type { RuleSet } from '../core/rule.ts';
import { readDocument } from './document.ts';
import type { Entry } from './entry.ts';
import { readEnforcement, readMember, readRepositoryRule, readTagRule, RuleIds } from './rule-entries.ts';

export type ParsedRules = { readonly rules: RuleSet } | { readonly errors: readonly string[] };

export const rulesSizeLimitBytes = 16 * 1024 * 1024;

/**
 * Reads a rules file: all of it, or every error in it as `line:column place: what and its mend`. Immutable rules come
 * out as admitting first pushes at once: only who knows what was in force before can tell.
 */
export function parseRules(text: string): ParsedRules {
  if (Buffer.byteLength(text) > rulesSizeLimitBytes) return { errors: ['1:1 larger than 16 MiB'] };
  const outcome = readDocument(text, (root) => readLists(root, text));
  if ('errors' in outcome) return outcome;
  const version = createHash('sha256').update(text).digest('hex').slice(0, 12);
  return { rules: { version, ...outcome.value } };
}

function readLists(root: Entry, text: string): Omit<RuleSet, 'version'> | undefined {
  // What is left of a line that was cut often makes sense: `^v1` where `^v1\.0$` was meant.
  if (!text.endsWith('\n')) root.complain('the last line needs a line break at its end', text.length);
  const lists = root.fields(['repository_rules', 'tag_rules', 'members', 'enforcement']);
  if (!lists) return undefined;
  const enforcement = readEnforcement(lists.get('enforcement'));
  if (lists.size === (lists.has('enforcement') ? 1 : 0))
    root.complain('needs repository_rules, tag_rules or members; [] for none');
  const ids = new RuleIds();
  return {
    repositoryRules: readList(lists.get('repository_rules'), (entry) => {
      const rule = readRepositoryRule(entry, ids);
      return rule && { ...rule, ...enforcement };
    }),
    tagRules: readList(lists.get('tag_rules'), (entry) => {
      const rule = readTagRule(entry, ids);
      return rule && { ...rule, ...enforcement };
    }),
    members: readList(lists.get('members'), readMember),
  };
}

function readList<Value>(
  list: Entry | undefined,
  read: (entry: Entry) => Value | undefined,
): readonly Value[] {
  return (list?.items() ?? []).map(read).filter((value) => value !== undefined);
}
