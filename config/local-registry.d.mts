export interface LocalRegistry {
  readonly url: string;
  /** How it ended. */
  readonly ended: Promise<string>;
  readonly stop: () => void;
}

export function startDistribution(
  program: string,
  directory: string,
  onLine?: (line: string) => void,
): Promise<LocalRegistry>;
