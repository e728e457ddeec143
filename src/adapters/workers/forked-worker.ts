import cluster, { type Worker } from 'node:cluster';
import { StoreAway } from '../../core/ports.ts';
import { Channel } from './channel.ts';
import { greeted } from './greeting.ts';

/** How a process ended: by a signal, or with an exit code. */
export interface WorkerEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** One worker, as its primary has it. */
export class ForkedWorker {
  readonly channel: Channel;
  /**
   * Resolves when it can be asked.
   * @throws StoreAway where it ends before
   */
  readonly isHere: Promise<void>;
  /** Never rejects. */
  readonly ended: Promise<WorkerEnd>;
  readonly #worker: Worker;

  constructor() {
    const worker = cluster.fork();
    this.#worker = worker;
    const channel = new Channel({
      // Whoever has ended is heard of by that; unheard failures would end the primary.
      send: (message) => void worker.process.send(message, () => undefined),
      onMessage: (hear) => worker.on('message', hear),
    });
    this.channel = channel;
    const lost = lostConnectionOf(worker);
    this.ended = new Promise((resolve) => {
      worker.process
        .on('error', () => undefined)
        .once('exit', (exitCode, signal) => {
          lost.close();
          resolve({ exitCode, signal });
        });
    });
    const endedBefore = this.ended.then(({ exitCode, signal }) => {
      const reason = `a worker has ended (${signal ?? `exit code ${exitCode}`})`;
      channel.hangUp(reason);
      throw new StoreAway(reason);
    });
    this.isHere = Promise.race([greeted(channel), endedBefore]);
    // Whether anybody waits for it, or not.
    this.isHere.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  /** As it is: nothing is finished, nothing is told. */
  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }
}

interface Handle {
  close(): void;
}

/**
 * node:cluster gives a connection to a worker and keeps it open itself until the worker has said that it has it. Where the
 * worker is killed before that, nobody would ever serve the connection, nor close it (nodejs/node-v0.x-archive#7006,
 * still so): its client would wait forever. Handles pass here one at a time; closed twice is closed once.
 */
function lostConnectionOf({ process: child }: Worker): Handle {
  const send = child.send.bind(child) as (...args: readonly unknown[]) => boolean;
  let last: Handle | undefined;
  Object.defineProperty(child, 'send', {
    value: (...args: readonly unknown[]): boolean => {
      const [, handle] = args;
      if (isHandle(handle)) last = handle;
      return send(...args);
    },
  });
  return { close: () => last?.close() };
}

function isHandle(value: unknown): value is Handle {
  return typeof value === 'object' && value !== null && 'close' in value && typeof value.close === 'function';
}
