import t from 'tap';
import { RecentlyUsed } from '../../src/core/recently-used.ts';

interface Sized {
  readonly key: string;
  readonly weight: number;
}

function cache(limit: number): {
  get: (key: string, weight?: number) => Sized;
  made: string[];
  size: () => number;
} {
  const made: string[] = [];
  const kept = new RecentlyUsed<Sized>(limit, ({ weight }) => weight);
  const get = (wanted: string, weight = 1): Sized =>
    kept.get(wanted, (key) => {
      made.push(key);
      return { key, weight };
    });
  return { get, made, size: () => kept.size };
}

t.test('what was made once is kept', (t) => {
  const { get, made } = cache(10);
  const first = get('a');
  t.equal(get('a'), first);
  t.same(made, ['a']);
  t.end();
});

t.test('what is in use stays, whatever comes and goes', (t) => {
  const { get, made } = cache(10);
  for (let at = 0; at < 1_000; at += 1) {
    get('in use');
    get(`passing ${at}`);
  }
  t.equal(made.filter((key) => key === 'in use').length, 1);
  get('passing 0');
  t.equal(made.filter((key) => key === 'passing 0').length, 2, 'what was not used was dropped');
  t.end();
});

t.test('never more than two generations of the limit', (t) => {
  const { get, size } = cache(10);
  const sizes = Array.from({ length: 1_000 }, (_, at) => {
    get(`${at}`);
    return size();
  });
  t.equal(Math.max(...sizes), 20);
  const heavy = cache(10);
  for (let at = 0; at < 1_000; at += 1) heavy.get(`${at}`, 5);
  t.equal(heavy.size(), 4, 'two of weight 5 in each');
  t.end();
});

t.test('a value that is heavier than the limit is not kept, and drives nothing out', (t) => {
  const { get, made, size } = cache(10);
  get('light');
  get('heavy', 11);
  get('heavy', 11);
  t.equal(size(), 1);
  t.same(made, ['light', 'heavy', 'heavy']);
  t.end();
});
