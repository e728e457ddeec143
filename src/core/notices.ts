/** Something that has changed, and that others who serve the same clients may have kept a copy of. */
export interface Notice {
  /** Whose it is, as `manifests`: who hears of one topic does not hear of the others. */
  readonly topic: string;
  /** As the name of a repository. */
  readonly about: string;
}

/**
 * What the processes of one Tagwarden tell each other: a worker the other workers. There is nobody else in a single
 * process, and other replicas do not hear it.
 */
export interface Notices {
  /**
   * Resolves when every other process has heard it, or has ended, or is behind and knows it: at once, or after a few
   * seconds where one of them stands still. Never rejects.
   */
  post(notice: Notice): Promise<void>;
  /** Hears what others post, before `post` resolves there. Takes no time, and never fails. */
  onNotice(topic: string, hear: (about: string) => void): void;
  /** Whether something may have been posted that was not heard here: what was kept must not be used meanwhile. */
  isBehind(): boolean;
}

/** Of a process that is alone. */
export const noNotices: Notices = {
  post: () => Promise.resolve(),
  onNotice: () => undefined,
  isBehind: () => false,
};
