import { setImmediate as pass } from 'node:timers/promises';
import t from 'tap';
import { Turns } from '../../src/http/turns.ts';

t.test('so many at a time for each key, in the order in which they came', async (t) => {
  const turns = new Turns(2);
  const order: string[] = [];
  let running = 0;
  let most = 0;
  const act = (name: string) => async (): Promise<string> => {
    running += 1;
    most = Math.max(most, running);
    order.push(name);
    await pass();
    running -= 1;
    return name;
  };
  const names = ['a', 'b', 'c', 'd', 'e'];
  t.same(await Promise.all(names.map((name) => turns.inTurn('one', act(name)))), names);
  t.same(order, names);
  t.equal(most, 2);
  await Promise.all([
    ...names.map((name) => turns.inTurn('one', act(name))),
    turns.inTurn('two', act('other')),
  ]);
  t.equal(most, 3, 'another key has places of its own');
});

t.test('who fails makes room', async (t) => {
  const turns = new Turns(1);
  const failing = turns.inTurn('one', () => Promise.reject(new Error('no')));
  const next = turns.inTurn('one', () => Promise.resolve('done'));
  await t.rejects(failing, { message: 'no' });
  t.equal(await next, 'done');
});
