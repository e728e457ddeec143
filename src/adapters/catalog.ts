import type { HeaderList } from '../core/header-list.ts';
import { printOperation } from '../core/operation.ts';
import { isRepository, type Repository } from '../core/reference.ts';
import { pages } from './repository-reads.ts';
import { UpstreamFailure, type Upstream } from './upstream.ts';

/** On an object store, distribution walks all of it for one page. */
const pageMs = 120_000;
const pingMs = 10_000;
const answerLimitBytes = 4 * 1024 * 1024;

export type CatalogFact =
  | { readonly state: 'known'; readonly repositories: readonly Repository[] }
  | { readonly state: 'refused'; readonly reason: string };

/** Why there is no registry to ask; undefined: something answers. */
export async function whyAway(upstream: Upstream): Promise<string | undefined> {
  const ping = printOperation({ kind: 'ping', method: 'GET', query: [] });
  try {
    await upstream.ask({ ...ping, headers: [] }, pingMs, answerLimitBytes);
    return undefined;
  } catch (error) {
    if (error instanceof UpstreamFailure) return error.message;
    throw error;
  }
}

/** All repositories that the registry lists, page by page. */
export async function readCatalog(upstream: Upstream, headers: HeaderList): Promise<CatalogFact> {
  const found = new Set<Repository>();
  const first = { kind: 'catalog', method: 'GET', query: [] } as const;
  try {
    for await (const { status, body } of pages(
      first,
      (operation, { bodyLimitBytes = answerLimitBytes } = {}) =>
        upstream.ask({ ...printOperation(operation), headers }, pageMs, bodyLimitBytes),
    )) {
      if (status !== 200) return { state: 'refused', reason: `it answers ${status}` };
      const listed = repositoriesIn(body);
      if (!listed) return { state: 'refused', reason: 'its answer is no catalog' };
      for (const repository of listed) found.add(repository);
    }
  } catch (error) {
    if (error instanceof UpstreamFailure) return { state: 'refused', reason: error.message };
    throw error;
  }
  return { state: 'known', repositories: [...found] };
}

function repositoriesIn(body: Buffer): readonly Repository[] | undefined {
  try {
    const { repositories } = JSON.parse(body.toString()) as { repositories?: unknown };
    if (repositories === null) return [];
    if (!Array.isArray(repositories)) return undefined;
    // What is no repository cannot be asked for, neither by us nor by a client.
    return repositories.filter((name) => typeof name === 'string').filter(isRepository);
  } catch {
    return undefined;
  }
}
