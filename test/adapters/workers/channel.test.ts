import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { steadyClock } from '../../../src/adapters/clock.ts';
import { remoteLogins, serveLogins } from '../../../src/adapters/workers/remote-logins.ts';
import { LoginLimit } from '../../../src/adapters/token/login-limit.ts';
import { StoreAway, type ClaimStore } from '../../../src/core/ports.ts';
import { channelPair, storeOfPrimary } from '../../fixtures/channels.ts';
import { deleteOf, inMemory, long, request } from '../../fixtures/claim-stores.ts';
import { bent } from '../../fixtures/create-once.ts';
import type { Repository, Tag } from '../../../src/core/reference.ts';

t.test('each end serves ports to the other, and answers are not mixed up', async (t) => {
  const { primary, worker } = channelPair();
  const later = [30, 10, 20, 0];
  primary.serve('delay', {
    echo: async (ms: number) => {
      await sleep(ms);
      return new Map([['ms', ms]]);
    },
  });
  worker.serve('name', { tell: () => 'worker' });
  const answers = await Promise.all(later.map((ms) => worker.ask('delay', 'echo', [ms])));
  t.same(
    answers,
    later.map((ms) => new Map([['ms', ms]])),
  );
  t.equal(await primary.ask('name', 'tell', []), 'worker');
  t.equal(await primary.ask('name', 'tell', [undefined]), 'worker');
});

t.test('nothing is called that was not served', async (t) => {
  const { primary, worker } = channelPair();
  primary.serve('port', { method: () => 'done' });
  for (const [port, method] of [
    ['port', 'toString'],
    ['port', '__proto__'],
    ['port', 'constructor'],
    ['other', 'method'],
  ] as const) {
    await t.rejects(worker.ask(port, method, []), { message: `nobody serves ${port}.${method} here` });
  }
});

t.test('an error arrives as what it is: away, or a fault', async (t) => {
  const { primary, worker } = channelPair();
  primary.serve('port', {
    away: () => Promise.reject(new StoreAway('the disk is full')),
    fault: () => {
      throw new TypeError('no such thing');
    },
  });
  const away = await worker.ask('port', 'away', []).catch((error: unknown) => error);
  t.ok(away instanceof StoreAway);
  t.match(away, { message: 'the disk is full' });
  const fault = await worker.ask('port', 'fault', []).catch((error: unknown) => error);
  t.notOk(fault instanceof StoreAway);
  t.match(fault, { message: 'no such thing' });
});

t.test('who waits is told when nobody is there any more, and who asks later too', async (t) => {
  const { primary, worker } = channelPair();
  primary.serve('port', { never: () => new Promise(() => undefined), now: () => 'now' });
  const waiting = [worker.ask('port', 'never', []), worker.ask('port', 'never', [])];
  worker.giveUp('it is silent');
  for (const asked of waiting) await t.rejects(asked, new StoreAway('it is silent'));
  t.equal(await worker.ask('port', 'now', []), 'now', 'it is heard again');
  const last = worker.ask('port', 'never', []);
  worker.hangUp('it has ended');
  await t.rejects(last, new StoreAway('it has ended'));
  await t.rejects(worker.ask('port', 'now', []), new StoreAway('it has ended'));
});

t.test(
  'what cannot be given back is no fault; what cannot be claimed, armed or confirmed is away',
  async (t) => {
    const away = (): Promise<never> => Promise.reject(new StoreAway('gone'));
    const methods = { claim: away, arm: away, confirm: away, giveBack: away, leaveUnknown: away };
    const claims = bent(await inMemory(t, long), {
      ...{ ...methods, changed: away, mark: away, armMark: away, unmark: away },
    });
    const remote = (await storeOfPrimary(t, { claims })).claims;
    await remote.giveBack(request('a'));
    await remote.leaveUnknown(request('a'));
    await remote.changed('a' as Repository, 'v1' as Tag, 5);
    await remote.unmark(deleteOf('a', request('a').digest));
    await t.rejects(remote.claim(request('a')), StoreAway);
    await t.rejects(remote.arm(request('a')), StoreAway);
    await t.rejects(remote.confirm(request('a')), StoreAway);
    await t.rejects(remote.mark(deleteOf('a', request('a').digest)), StoreAway);
    await t.rejects(remote.armMark(deleteOf('a', request('a').digest)), StoreAway);
  },
);

t.test(
  'an arming whose answer comes late counts as lost: its claim may be over when the PUT is sent',
  async (t) => {
    const own = await inMemory(t, long);
    let lateMs = 0;
    const arm: ClaimStore['arm'] = async (asked) => {
      const arming = await own.arm(asked);
      await sleep(lateMs);
      return arming;
    };
    const { claims } = await storeOfPrimary(t, { claims: bent(own, { arm }) });
    await claims.claim(request('a'));
    t.equal(await claims.arm(request('a')), 'armed');
    lateMs = 2_100;
    t.equal(await claims.arm(request('a')), 'lost');
  },
);

t.test('attempts to log in are counted once for all workers', async (t) => {
  const limit = new LoginLimit(steadyClock);
  const workers = [1, 2].map(() => {
    const { primary, worker } = channelPair();
    serveLogins(primary, limit);
    return remoteLogins(worker);
  });
  const waits: number[] = [];
  for (let attempt = 0; attempt < 12; attempt++)
    waits.push((await workers[attempt % 2]?.begin('192.0.2.1', 'dev')) ?? NaN);
  t.same(waits.slice(0, 10), Array(10).fill(0));
  t.ok(
    waits.slice(10).every((seconds) => seconds > 0),
    `and then one waits: ${waits.join(' ')}`,
  );
  await workers[0]?.succeeded('192.0.2.1', 'dev');
  t.equal(await workers[1]?.begin('192.0.2.1', 'dev'), 0);
});
