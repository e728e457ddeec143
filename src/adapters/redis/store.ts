/** A Lua script, by the name that errors call it by. */
export interface Script {
  readonly name: string;
  readonly lua: string;
}

/** What a script returns: Lua's tables, strings and whole numbers. */
export type Reply = string | number | null | readonly Reply[];

export interface StoreState {
  readonly isUp: boolean;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
  /** How often it was found away, or asked in vain while it was. */
  readonly away: number;
  /** How often it did not do what it was asked. */
  readonly refused: number;
}

/** The Redis that replicas share. */
export interface SharedStore {
  /** As `{tagwarden}:claim:a/b:v1`: the braces put every key into one hash slot, so that one script may touch any of them. */
  key(...parts: readonly string[]): string;
  /**
   * Runs a script, at most once: what was never heard of is not sent again. It may still be run for a moment after it
   * was given up.
   * @throws StoreAway
   */
  run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply>;
  /**
   * The same, and what it wrote has reached `redis.wait_replicas` replicas of Redis: a failover to one of them keeps it.
   * @throws StoreAway also where it was run, but reached too few of them
   */
  runDurably(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply>;
  /**
   * Hears the messages of a channel, by its full name; hears `undefined` after every (re)connection, when messages may
   * have been missed.
   */
  subscribe(channel: string, hear: (message: string | undefined) => void): void;
  state(): StoreState;
  close(): Promise<void>;
}
