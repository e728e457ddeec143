import { pageSizeLimit } from './graphql-cost.ts';
import { GraphqlRefusal } from './graphql-failures.ts';

export interface PageArguments {
  readonly first?: number | null;
  /** Where the page before has ended. */
  readonly after?: string | null;
}

export interface Connection<Node> {
  readonly nodes: readonly Node[];
  readonly pageInfo: { readonly endCursor: string | null; readonly hasNextPage: boolean };
}

/**
 * One page of what has an order of its own. A cursor says where the page before has ended, and holds though items come
 * and go.
 * @throws GraphqlRefusal
 */
export function connectionOf<Item, Node>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
  { first, after }: PageArguments,
  nodeOf: (item: Item) => Node,
): Connection<Node> {
  const size = Math.min(first ?? pageSizeLimit, pageSizeLimit);
  if (size < 0) throw new GraphqlRefusal('"first" must not be negative');
  const sorted = [...items].sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
  const end = Buffer.from(after ?? '', 'base64url').toString();
  const left = sorted.filter((item) => keyOf(item) > end);
  const page = left.slice(0, size);
  const last = page.at(-1);
  const endCursor = last === undefined ? null : Buffer.from(keyOf(last)).toString('base64url');
  return { nodes: page.map(nodeOf), pageInfo: { endCursor, hasNextPage: left.length > page.length } };
}
