import type { Logger } from 'pino';
import type { LoginLimit } from '../../adapters/token/login-limit.ts';
import type { ApiCaller } from '../../core/api-access.ts';
import type { ManagedRules } from '../../core/managed-rules.ts';
import type { RuleSource } from '../../core/ports.ts';
import type { Digest, Repository, Tag } from '../../core/reference.ts';
import type { Unlocks } from '../../core/unlock.ts';
import type { ExplainPorts } from './explain.ts';
import type { RepositoryRuleObject, TagRuleObject } from './rule-objects.ts';

/** A change of a rule that was made through the management API, in the form in which the API shows rules. */
export interface RuleChange {
  readonly at: Date;
  readonly caller: ApiCaller['name'];
  /** Of the caller. */
  readonly address: string;
  readonly action: 'create' | 'update' | 'delete';
  readonly kind: 'repository' | 'tag';
  readonly before?: RepositoryRuleObject | TagRuleObject;
  readonly after?: RepositoryRuleObject | TagRuleObject;
  /** It may be in force or not: the store did not say. */
  readonly outcome?: 'unknown';
}

export interface ApiTokenHolders {
  /** Whose token it is; undefined where it is nobody's. */
  callerOf(token: string): Promise<ApiCaller | undefined>;
}

/** What the upstream could not be asked, or did not answer. */
interface NotAnswered {
  readonly state: 'unknown';
  readonly reason: string;
}

/** What the upstream has now, as Tagwarden itself may see it. Never rejects but for a fault of ours. */
export interface LiveTags {
  /** Of a repository that is not there: none. */
  list(
    repository: Repository,
  ): Promise<{ readonly state: 'known'; readonly tags: readonly Tag[] } | NotAnswered>;
  lookUp(
    repository: Repository,
    tag: Tag,
  ): Promise<
    { readonly state: 'present'; readonly digest: Digest } | { readonly state: 'absent' } | NotAnswered
  >;
}

export interface GraphqlPorts {
  readonly rules: RuleSource;
  readonly tags: LiveTags;
  /** Whether it tells its schema. */
  readonly hasIntrospection: boolean;
}

export interface ApiPorts {
  readonly managed: ManagedRules;
  readonly tokens: ApiTokenHolders;
  /** Counts wrong tokens alone: a right one cannot be guessed, and must not be locked out. */
  readonly attempts: LoginLimit;
  /** Hears of a change when it is in force. */
  readonly onChange: (change: RuleChange) => void;
  readonly unlocks: Unlocks;
  /** Hears of an unlock that was made, or ended early. */
  readonly onUnlock: (event: Readonly<Record<string, unknown>>) => void;
  readonly log: Logger;
  /** Absent: nothing is explained. */
  readonly explain?: ExplainPorts;
  /** Absent: there is no GraphQL. */
  readonly graphql?: GraphqlPorts;
}
