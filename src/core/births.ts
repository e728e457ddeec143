import type { Repository, Tag } from './reference.ts';

/**
 * When tags were pushed first that a rule makes immutable some time after that. For good: a tag that is deleted and
 * pushed again is as old as it was. Both methods throw StoreAway where the store is shared and cannot be reached.
 */
export interface Births {
  /** Epoch milliseconds, by this process's clock; undefined: nobody knows. */
  recall(repository: Repository, tag: Tag): Promise<number | undefined>;
  /** Of several times the first one stays. When it resolves it is durable. */
  note(repository: Repository, tag: Tag): Promise<void>;
  close(): Promise<void>;
}
