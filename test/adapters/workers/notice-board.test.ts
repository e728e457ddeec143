import t from 'tap';
import { Lease, leaseMs, waitedOutMs } from '../../../src/adapters/workers/lease.ts';
import { NoticeBoard, WorkerNotices, type NoticeHearer } from '../../../src/adapters/workers/notice-board.ts';
import { noNotices, type Notice } from '../../../src/core/notices.ts';
import { channelPair } from '../../fixtures/channels.ts';
import { ManualClock, settled } from '../../fixtures/clock.ts';

/** Workers of one primary, each with a channel of its own. */
function startBoard(count: number) {
  const clock = new ManualClock();
  const board = new NoticeBoard(clock);
  const workers = Array.from({ length: count }, () => {
    const { primary, worker } = channelPair();
    const lease = new Lease(clock);
    const notices = new WorkerNotices(worker, lease);
    const heard: string[] = [];
    notices.onNotice('manifests', (about) => heard.push(about));
    let waiting: Promise<void> | undefined;
    const hearer: NoticeHearer = {
      hear: async (notice: Notice) => {
        await waiting;
        notices.hear(notice);
      },
    };
    board.serve(primary, hearer);
    board.join(hearer);
    const stop = (): (() => void) => {
      let goOn = (): void => undefined;
      waiting = new Promise((resolve) => (goOn = resolve));
      return goOn;
    };
    return { notices, heard, hearer, lease, stop, worker };
  });
  const [first, second, third] = workers;
  if (!first || !second || !third) throw new Error('three at least');
  return { clock, board, first, second, third };
}

t.test('every other worker has heard when it is posted, and only who hears of its topic', async (t) => {
  const { first, second, third, board } = startBoard(3);
  await first.notices.post({ topic: 'manifests', about: 'a/b' });
  t.same([first.heard, second.heard, third.heard], [[], ['a/b'], ['a/b']]);
  await second.notices.post({ topic: 'others', about: 'c' });
  await board.post({ topic: 'manifests', about: 'd' });
  t.same([first.heard, second.heard, third.heard], [['d'], ['a/b', 'd'], ['a/b', 'd']]);
  board.leave(third.hearer);
  await first.notices.post({ topic: 'manifests', about: 'e' });
  t.equal(third.heard.length, 2, 'it has ended');
});

t.test('one that stands still is waited for until it knows that it is behind', async (t) => {
  const { first, second, third, clock } = startBoard(3);
  second.lease.renew(clock.nowMs());
  const goOn = second.stop();
  let isPosted = false;
  void first.notices.post({ topic: 'manifests', about: 'a' }).then(() => (isPosted = true));
  await settled();
  t.same(third.heard, ['a']);
  await clock.advance(leaseMs - 1);
  t.same([isPosted, second.notices.isBehind()], [false, false]);
  await clock.advance(waitedOutMs - leaseMs + 1);
  await settled();
  t.same([isPosted, second.notices.isBehind()], [true, true]);
  goOn();
  await settled();
  t.same(second.heard, ['a'], 'and hears it in the end');
});

t.test('without a primary there are no others', async (t) => {
  const { first, clock } = startBoard(3);
  first.worker.hangUp('it has ended');
  await first.notices.post({ topic: 'manifests', about: 'a' });
  first.lease.renew(clock.nowMs());
  t.equal(first.notices.isBehind(), false);
  await noNotices.post({ topic: 'manifests', about: 'a' });
  noNotices.onNotice('manifests', () => t.fail());
  t.equal(noNotices.isBehind(), false);
});
