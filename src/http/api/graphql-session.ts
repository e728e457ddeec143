import type { ApiCaller } from '../../core/api-access.ts';
import type { Repository } from '../../core/reference.ts';
import type { RepositoryNode } from './graphql-tags.ts';
import type { By } from './rule-actions.ts';

/** One request: who asks, and what was found out for it. */
export interface GraphqlSession {
  readonly caller: ApiCaller;
  readonly by: By;
  /** By whatever alias a repository is asked for, its tags are listed once. */
  readonly repositories: Map<Repository, RepositoryNode>;
}

declare module 'mercurius' {
  interface MercuriusContext {
    readonly session: GraphqlSession;
  }
}
