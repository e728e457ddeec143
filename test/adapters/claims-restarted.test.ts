import { join } from 'node:path';
import t from 'tap';
import { ClaimsJournal } from '../../src/adapters/claims-journal.ts';
import { InMemoryClaims } from '../../src/adapters/claims-memory.ts';
import { one, request, two } from '../fixtures/claim-stores.ts';
import { ManualClock } from '../fixtures/clock.ts';

t.test('fix: a restart does not forget that what is confirmed may still be written by another', async (t) => {
  const path = join(t.testdir(), 'journal');
  const clock = new ManualClock();
  const open = async (): Promise<InMemoryClaims> =>
    new InMemoryClaims(
      { leaseMs: 10_000, ttlMs: 120_000 },
      clock,
      await ClaimsJournal.open(path, clock.nowMs()),
    );
  const claims = await open();
  for (const holder of ['first', 'second']) {
    t.same(await claims.claim(request(holder, { digest: one })), { outcome: 'held' });
    t.equal(await claims.arm(request(holder, { digest: one })), 'armed');
  }
  t.ok(await claims.confirm(request('first', { digest: one })));
  const swapping = request('third', { digest: two, swaps: true });
  t.match(await claims.claim(swapping), { outcome: 'taken' }, 'the second push is on its way');
  await claims.close();
  const again = await open();
  t.match(await again.claim(swapping), { outcome: 'taken' }, 'and nobody knows whether it has arrived');
  await again.close();
});
