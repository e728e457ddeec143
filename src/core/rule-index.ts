import { PatternIndex } from './pattern-index.ts';
import { compileRepositoryPattern } from './pattern.ts';
import { RecentlyUsed } from './recently-used.ts';
import type { Repository, Tag } from './reference.ts';
import type { Caller, Member, RepositoryRule, TagRule } from './rule.ts';

/*
 * 10,000 rules judge as fast as 10: each list of a rule set is indexed when it is first asked, and the latest answers
 * are kept. An index belongs to its list: rule sets that share a list share the index.
 */
export const indexOfRepositoryRules = indexed(
  (rules: readonly RepositoryRule[]) => new RepositoryRuleIndex(rules),
);
export const indexOfTagRules = indexed((rules: readonly TagRule[]) => new TagRuleIndex(rules));
export const indexOfMembers = indexed((members: readonly Member[]) => new MemberIndex(members));

/** Makes the index of a list once, and keeps it as long as the list. */
function indexed<List extends object, Index extends object>(
  make: (list: List) => Index,
): (list: List) => Index {
  const indexes = new WeakMap<List, Index>();
  return (list) => {
    const known = indexes.get(list);
    if (known) return known;
    const index = make(list);
    indexes.set(list, index);
    return index;
  };
}

const everyRepository = compileRepositoryPattern('*');

class RepositoryRuleIndex {
  readonly #rules: PatternIndex<RepositoryRule>;
  readonly #recent = new RecentlyUsed(5_000, (rules: readonly RepositoryRule[]) => 10 + rules.length);

  constructor(rules: readonly RepositoryRule[]) {
    this.#rules = new PatternIndex(rules, (rule) => rule.repositories);
  }

  covering(repository: Repository): readonly RepositoryRule[] {
    return this.#recent.get(repository, () => this.#rules.matching(repository.toLowerCase()));
  }
}

interface Placed {
  readonly position: number;
  readonly rule: TagRule;
}

/** The rules with one repository pattern, which is asked once for all of them. */
interface Selection {
  readonly rules: readonly Placed[];
  readonly byTag: PatternIndex<Placed>;
}

class TagRuleIndex {
  readonly #selections: PatternIndex<Selection>;
  readonly #recent = new RecentlyUsed(2_500, (rules: CoveringTagRules) => 10 + rules.weight);

  constructor(rules: readonly TagRule[]) {
    const placed = rules.map((rule, position) => ({ position, rule }));
    const selections = [...grouped(placed, ({ rule }) => rule.repositories?.source ?? '*').values()].map(
      (rules) => ({ rules, byTag: new PatternIndex(rules, ({ rule }) => rule.tags) }),
    );
    this.#selections = new PatternIndex(
      selections,
      ({ rules }) => rules[0]?.rule.repositories ?? everyRepository,
    );
  }

  covering(repository: Repository): CoveringTagRules {
    return this.#recent.get(
      repository,
      () => new CoveringTagRules(this.#selections.matching(repository.toLowerCase())),
    );
  }
}

/** The tag rules that cover one repository. Every answer is in the order of the rules. */
class CoveringTagRules {
  readonly #selections: readonly Selection[];
  readonly #recent = new RecentlyUsed(1_000, (rules: readonly TagRule[]) => 10 + rules.length);

  constructor(selections: readonly Selection[]) {
    this.#selections = selections;
  }

  get weight(): number {
    return this.#selections.length;
  }

  all(): readonly TagRule[] {
    return inOrder(this.#selections.flatMap(({ rules }) => rules));
  }

  matching(tag: Tag): readonly TagRule[] {
    if (this.#selections.length === 0) return [];
    return this.#recent.get(tag, () => this.matchingOnce(tag));
  }

  /** The same, and nothing is kept: for one of many tags, which would drive out those that are asked for. */
  matchingOnce(tag: Tag): readonly TagRule[] {
    const matching = this.#selections.flatMap(({ byTag }) => byTag.matching(tag));
    return inOrder(matching.filter(({ rule }) => !rule.excludedTags?.matches(tag)));
  }
}

function inOrder(placed: readonly Placed[]): readonly TagRule[] {
  return [...placed].sort((a, b) => a.position - b.position).map(({ rule }) => rule);
}

class MemberIndex {
  readonly #bySubject: ReadonlyMap<string, PatternIndex<Member>>;
  readonly #byGroup: ReadonlyMap<string, PatternIndex<Member>>;

  constructor(members: readonly Member[]) {
    this.#bySubject = byRepository(grouped(members, ({ subject }) => subject));
    this.#byGroup = byRepository(
      grouped(members, ({ subject, group }) => (subject === undefined ? group : undefined)),
    );
  }

  /** Of the entries that name the caller, those that cover the repository. */
  covering(repository: Repository, { subject, groups }: Caller): readonly Member[] {
    const covering: Member[] = [];
    const add = (named: PatternIndex<Member> | undefined): void => {
      if (named) covering.push(...named.matching(repository.toLowerCase()));
    };
    if (subject !== undefined) add(this.#bySubject.get(subject));
    for (const group of groups) add(this.#byGroup.get(group));
    return covering;
  }
}

function byRepository(
  groups: ReadonlyMap<string, readonly Member[]>,
): ReadonlyMap<string, PatternIndex<Member>> {
  return new Map(
    [...groups].map(([name, members]) => [name, new PatternIndex(members, (member) => member.repositories)]),
  );
}

/** What has no key is in no group. */
function grouped<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string | undefined,
): ReadonlyMap<string, readonly Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
