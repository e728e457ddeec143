import { managedStateOf, withManaged, withoutManaged } from '../../core/managed-rules.ts';
import { StoreAway } from '../../core/ports.ts';
import { noRules, type RuleSet } from '../../core/rule.ts';
import { fingerprintOf } from '../rules-snapshot.ts';
import type { Seen } from './rules-reader.ts';
import type { RulesLook } from './rules-record.ts';

/** What a replica has in force, which may be more than what the store has kept. */
export interface HeldRules {
  /** All of them, also while the switch is off. */
  readonly rules: RuleSet | undefined;
  /** Where in the store they are; undefined where it was never reached. */
  readonly look: RulesLook | undefined;
}

/** Whether the store has fallen back behind what is held. */
export function isBehind({ look: held }: HeldRules, { lineage, revision }: RulesLook): boolean {
  return lineage === held?.lineage && revision < held.revision;
}

/**
 * As far as is known here: what the store has, or what it has lost. Where it began anew, by a replica that knew of
 * nothing else, it may lack the file's rules, or those that are managed.
 */
export function lastPublished(held: HeldRules, { look, found }: Seen): RuleSet {
  const known = held.rules ?? noRules;
  if (found.state !== 'rules' || isBehind(held, look)) return known;
  if (!held.look || held.look.lineage === look.lineage) return found.rules;
  const lacksFile = found.rules.registry !== undefined && isWithoutFile(found.rules) && !isWithoutFile(known);
  const lacksManaged = !found.rules.registry && known.registry !== undefined;
  if (!lacksFile && !lacksManaged) return found.rules;
  return withManaged(lacksFile ? known : found.rules, managedStateOf(lacksManaged ? known : found.rules));
}

function isWithoutFile(rules: RuleSet): boolean {
  const { repositoryRules, tagRules, members } = withoutManaged(rules);
  return repositoryRules.length + tagRules.length + members.length === 0;
}

/**
 * The rules that a change is made over.
 * @throws StoreAway where it would take away what nobody here could read
 */
export function changeable(held: HeldRules, seen: Seen): RuleSet {
  const { state } = seen.found;
  if (state === 'unreadable' || (state === 'damaged' && !held.look))
    throw new StoreAway('the rules in redis cannot be read');
  return lastPublished(held, seen);
}

/** What a replica should publish again; undefined where the store has all, or nobody here knows what it lacks. */
export function lostRules(held: HeldRules, seen: Seen): RuleSet | undefined {
  const { found } = seen;
  if (!held.rules || found.state === 'unreadable') return undefined;
  const published = lastPublished(held, seen);
  return found.state === 'rules' && published === found.rules ? undefined : published;
}

/** Whether the store has other rules than those that it lost, which whoever takes them up cannot restore any more. */
export function isBegunAnew({ look: held }: HeldRules, { look, found }: Seen): boolean {
  return found.state === 'rules' && held !== undefined && held.lineage !== look.lineage;
}

/** Whether the store has what a file says, and is not about to lose it. */
export function hasFile(held: HeldRules, { look, found }: Seen, file: RuleSet): boolean {
  return (
    found.state === 'rules' && !isBehind(held, look) && fingerprintOf(found.rules) === fingerprintOf(file)
  );
}
