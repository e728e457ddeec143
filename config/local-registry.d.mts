export interface LocalRegistry {
  readonly url: string;
  /** How it ended. */
  readonly ended: Promise<string>;
  readonly stop: () => void;
}

export function startDistribution(
  program: string,
  directory: string,
  options?: {
    readonly onLine?: (line: string) => void;
    readonly auth?: object | undefined;
    readonly tls?: object | undefined;
  },
): Promise<LocalRegistry>;
