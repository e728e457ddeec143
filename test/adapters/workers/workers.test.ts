import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { ForkedWorker } from '../../../src/adapters/workers/forked-worker.ts';
import { Workers } from '../../../src/adapters/workers/workers.ts';
import { StoreAway, type Clock } from '../../../src/core/ports.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { recordedLog } from '../../fixtures/recorded-log.ts';

const entry = new URL('../../fixtures/short-lived.mjs', import.meta.url);

/** Time that goes on when it is slept, and when a test says so. */
class SleptClock implements Clock {
  passedMs = 0;
  readonly slept: number[] = [];

  nowMs(): number {
    return this.passedMs;
  }

  sleep(ms: number): Promise<void> {
    this.slept.push(ms);
    this.passedMs += ms;
    return sleep(0);
  }
}

function end(worker: ForkedWorker, exitCode: number): Promise<unknown> {
  return worker.channel.ask('worker', 'end', [exitCode]);
}

t.test('one that ends is replaced, with a pause where that happens again and again', async (t) => {
  const clock = new SleptClock();
  const { log, lines } = recordedLog();
  let failing = 0;
  const begin = async (worker: ForkedWorker): Promise<void> => {
    await worker.isHere;
    if (failing-- > 0) await end(worker, 3).then(() => worker.ended);
  };
  const finish = async (worker: ForkedWorker): Promise<void> => {
    await end(worker, 0);
  };
  const workers = new Workers({ count: 1, entry, clock, log, begin, finish });
  await workers.start();
  const [first] = workers.serving;
  const told = (): readonly unknown[] => lines.filter(({ msg }) => msg.startsWith('a worker has ended'));
  const serves = (count: number): Promise<void> =>
    eventually(`the ${count}. serves`, () => told().length === count && workers.serving.length === 1, 60_000);

  clock.passedMs += 60_000;
  first?.kill();
  await serves(1);
  t.match(told()[0], { worker: first?.pid, signal: 'SIGKILL', exitCode: null });
  t.same(clock.slept, [0], 'at once');

  failing = 2;
  clock.passedMs += 60_000;
  const [second] = workers.serving;
  if (second) await end(second, 7).catch(() => undefined);
  await serves(4);
  t.match(told()[1], { worker: second?.pid, signal: null, exitCode: 7 });
  t.same(clock.slept.slice(1), [0, 0, 100], 'those that ended at once are waited for longer and longer');

  await workers.close(10_000);
  t.equal(told().length, 4, 'who was asked to end is not missed');
  t.same(workers.serving, []);
});

t.test('where the first cannot begin nobody is replaced; who does not end in time is killed', async (t) => {
  const { log, lines } = recordedLog();
  const begin = async (worker: ForkedWorker): Promise<void> => {
    await worker.isHere;
    throw new Error('the address is taken');
  };
  const workers = new Workers({
    ...{ count: 1, entry, clock: new SleptClock(), log, begin },
    finish: () => new Promise<void>(() => undefined),
  });
  await t.rejects(workers.start(), { message: 'the address is taken' });
  await workers.close(50);
  t.match(lines, [{ msg: 'a worker does not end; it is killed' }]);
});

t.test('one that ends before it can be asked is told of as that', async (t) => {
  const { log } = recordedLog();
  const begin = async (worker: ForkedWorker): Promise<void> => {
    worker.kill();
    await worker.isHere;
  };
  const finish = (): Promise<void> => Promise.resolve();
  const workers = new Workers({ count: 1, entry, clock: new SleptClock(), log, begin, finish });
  await t.rejects(workers.start(), new StoreAway('a worker has ended (SIGKILL)'));
  await workers.close(1_000);
});
