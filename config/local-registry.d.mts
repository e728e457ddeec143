import type { ChildProcess } from 'node:child_process';

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

export function spawnRegistry(command: readonly string[], env: NodeJS.ProcessEnv): ChildProcess;

export function untilServing(
  child: ChildProcess,
  program: string,
  addressIn: (line: string) => string | undefined,
  onLine: (line: string) => void,
): Promise<LocalRegistry>;
