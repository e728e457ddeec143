import type { Notice } from '../../core/notices.ts';
import type { Measures } from '../../core/series.ts';
import type { MethodsOf } from './remote-port.ts';
import type { Beat } from './rules-feed.ts';

/** What a worker has of its primary from its beginning on. */
export interface WorkerSetup {
  /** Of the program that the primary runs. */
  readonly version: string;
  /** As `pack` has it. */
  readonly config: unknown;
  /** As `zeroOf` has it. */
  readonly clockZeroMs: number;
  /** With `auth.mode: builtin`, as PEM: all sign with one, whatever its file has become. */
  readonly signingKey: string | undefined;
  /** As in Given; absent where no TLS is served. */
  readonly ticketKeys: Uint8Array | undefined;
}

/** What a process that serves clients says of itself. */
export interface ServingReport extends Measures {
  /** As in Readiness. */
  readonly needed: Readonly<Record<string, string>>;
  readonly noted: Readonly<Record<string, string>>;
  /** Since when parts are as they are, where that is known: epoch milliseconds. */
  readonly sinceMs: Readonly<Record<string, number>>;
}

/** What a primary asks of each of its workers. */
export interface WorkerPort {
  /** Wires all that serves; once. */
  start(setup: WorkerSetup): Promise<void>;
  /** Takes up the rules. */
  take(beat: Beat): Promise<void>;
  hear(notice: Notice): Promise<void>;
  /** Serves, from when this resolves, at an address, as `127.0.0.1:8080`. */
  listen(): Promise<string>;
  /** For probes, and for whatever is counted in each process: here, and nowhere else, one asks all of them. */
  report(): Promise<ServingReport>;
  /** As App.reopen(). */
  reopen(): Promise<void>;
  /** Finishes what it is about, and ends its process. */
  close(): Promise<void>;
}

export const workerPortName = 'worker';

export const workerMethods: MethodsOf<WorkerPort> = {
  ...{ start: true, take: true, hear: true, listen: true, report: true, reopen: true, close: true },
};
