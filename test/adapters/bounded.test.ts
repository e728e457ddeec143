import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { forEachBounded } from '../../src/adapters/bounded.ts';

t.test('so many at a time, and all of them, with those that are added meanwhile', async (t) => {
  const visited: number[] = [];
  let running = 0;
  let most = 0;
  const stop = await forEachBounded<number, string>([1, 2, 3, 4, 5], 2, async (item, add) => {
    running += 1;
    most = Math.max(most, running);
    await turn();
    visited.push(item);
    running -= 1;
    if (item < 3) {
      add(item * 10);
    }
    return undefined;
  });
  t.equal(stop, undefined);
  t.same(
    visited.sort((one, other) => one - other),
    [1, 2, 3, 4, 5, 10, 20],
  );
  t.equal(most, 2);
});

t.test('the first answer ends it', async (t) => {
  const visited: number[] = [];
  const stop = await forEachBounded([1, 2, 3, 4], 1, async (item) => {
    visited.push(item);
    await turn();
    return item === 2 ? 'enough' : undefined;
  });
  t.equal(stop, 'enough');
  t.same(visited, [1, 2]);
});

t.test('a visit that fails is a failure of all; nothing to visit is done at once', async (t) => {
  await t.rejects(
    forEachBounded([1], 4, () => Promise.reject(new Error('no'))),
    { message: 'no' },
  );
  t.equal(await forEachBounded([], 4, () => Promise.resolve('never')), undefined);
});
