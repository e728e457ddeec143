import {
  Kind,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { GraphqlRefusal } from './graphql-failures.ts';

export const pageSizeLimit = 100;
const costLimit = 2000;
/** To list the tags of a repository takes as long for one as for many. */
const leastCost = 20;
/** How many are asked for where a query does not say. */
const sizes: ReadonlyMap<string, number> = new Map([
  ['tags', 20],
  ['containerProtectionTagRules', 100],
  ['containerProtectionRepositoryRules', 100],
]);

type Variables = Readonly<Record<string, unknown>>;

/**
 * Refuses a query that asks for too much, before anything of it is done: what counts is how many items its pages may
 * have, by whatever alias and fragment. The query must be valid: its fragments have no cycles.
 * @throws GraphqlRefusal
 */
export function refuseCostly({ definitions }: DocumentNode, variables: Variables): void {
  const fragments = new Map<string, FragmentDefinitionNode>();
  const defaults: Record<string, number> = {};
  for (const definition of definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    for (const { variable, defaultValue } of definition.variableDefinitions ?? []) {
      // Of several operations each may have its own default: the most counts.
      const value = defaultValue?.kind === Kind.INT ? Number(defaultValue.value) : 0;
      defaults[variable.name.value] = Math.max(value, defaults[variable.name.value] ?? 0);
    }
  }
  const measure = new Measure(fragments, { ...defaults, ...variables });
  for (const definition of definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const cost = measure.of(definition.selectionSet);
    if (cost > costLimit)
      throw new GraphqlRefusal(
        `Query has complexity of ${cost}, which exceeds max complexity of ${costLimit}`,
      );
  }
}

class Measure {
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #variables: Variables;
  readonly #costs = new Map<string, number>();

  constructor(fragments: ReadonlyMap<string, FragmentDefinitionNode>, variables: Variables) {
    this.#fragments = fragments;
    this.#variables = variables;
  }

  of({ selections }: SelectionSetNode): number {
    let cost = 0;
    for (const selection of selections) {
      if (selection.kind === Kind.FRAGMENT_SPREAD) cost += this.#ofFragment(selection.name.value);
      else if (selection.kind === Kind.INLINE_FRAGMENT) cost += this.of(selection.selectionSet);
      else cost += this.#ofPage(selection) + (selection.selectionSet ? this.of(selection.selectionSet) : 0);
    }
    return cost;
  }

  #ofFragment(name: string): number {
    const known = this.#costs.get(name);
    if (known !== undefined) return known;
    const fragment = this.#fragments.get(name);
    const cost = fragment ? this.of(fragment.selectionSet) : 0;
    this.#costs.set(name, cost);
    return cost;
  }

  #ofPage({ name, arguments: given = [] }: FieldNode): number {
    const byDefault = sizes.get(name.value);
    if (byDefault === undefined) return 0;
    const first = given.find((argument) => argument.name.value === 'first')?.value;
    const asked = first?.kind === Kind.VARIABLE ? this.#variables[first.name.value] : undefined;
    // What is null, or not said by a variable, may be as many as there can be.
    const isUnsaid = first !== undefined && first.kind !== Kind.INT && typeof asked !== 'number';
    if (isUnsaid) return pageSizeLimit;
    const size = first?.kind === Kind.INT ? Number(first.value) : (asked ?? byDefault);
    return Math.min(Math.max(typeof size === 'number' ? size : byDefault, leastCost), pageSizeLimit);
  }
}
