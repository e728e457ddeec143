import t from 'tap';
import { SharedWork } from '../../src/adapters/shared-work.ts';

/** Work that ends when the test says so. */
class Work {
  readonly #ends: ((result: number) => void)[] = [];
  begun = 0;

  readonly begin = (): Promise<number> => {
    this.begun += 1;
    return new Promise((resolve) => this.#ends.push(resolve));
  };

  async end(): Promise<void> {
    this.#ends.shift()?.(this.begun);
    await new Promise(setImmediate);
  }
}

t.test('who comes while it is being done waits for the next time, all together', async (t) => {
  const shared = new SharedWork<number>();
  const work = new Work();
  const first = shared.join('a', work.begin);
  const others = [shared.join('a', work.begin), shared.join('a', work.begin)];
  t.equal(work.begun, 1);
  await work.end();
  t.equal(await first, 1);
  t.equal(work.begun, 2, 'what had been seen before they came may have changed');
  const late = shared.join('a', work.begin);
  await work.end();
  t.same(await Promise.all(others), [2, 2]);
  await work.end();
  t.equal(await late, 3);
  t.equal(work.begun, 3);
});

t.test('another key is other work', async (t) => {
  const shared = new SharedWork<number>();
  const work = new Work();
  const both = [shared.join('a', work.begin), shared.join('b', work.begin)];
  t.equal(work.begun, 2);
  await work.end();
  await work.end();
  t.same(await Promise.all(both), [2, 2]);
});

t.test('work that fails fails for those who waited for it alone', async (t) => {
  const shared = new SharedWork<number>();
  const failing = shared.join('a', () => Promise.reject(new Error('no')));
  const next = shared.join('a', () => Promise.resolve(2));
  await t.rejects(failing, { message: 'no' });
  t.equal(await next, 2);
  t.equal(await shared.join('a', () => Promise.resolve(3)), 3);
});
