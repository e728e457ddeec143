import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { WebSocket } from 'undici';
import type { Replica } from './replica.ts';

/** MiB that a replica keeps once its garbage is collected: of its heap, and of the machine's memory. */
export interface Kept {
  readonly heap: number;
  readonly resident: number;
}

/** What a replica must be started with to be asked. */
export const inspected = ['--inspect=127.0.0.1:0'];

/** Asks a replica through its inspector, which tests alone have open. */
export async function keptBy(replica: Replica): Promise<Kept> {
  const [, address = ''] = /Debugger listening on (ws:\S+)/.exec(replica.said) ?? [];
  const inspector = new WebSocket(address);
  await once(inspector, 'open');
  const ask = async (method: string): Promise<Readonly<Record<string, unknown>>> => {
    inspector.send(JSON.stringify({ id: 1, method }));
    const [{ data }] = (await once(inspector, 'message')) as [{ readonly data: string }];
    return (JSON.parse(data) as { result: Record<string, unknown> }).result;
  };
  try {
    await ask('HeapProfiler.collectGarbage');
    const { usedSize } = await ask('Runtime.getHeapUsage');
    return { heap: Math.round(Number(usedSize) / 2 ** 20), resident: residentMiB(replica.pid) };
  } finally {
    inspector.close();
  }
}

function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024);
}
