import t from 'tap';
import { startRedis } from '../fixtures/redis.ts';
import { Contest } from './contest.ts';
import { Dice } from './dice.ts';
import { Fleet } from './fleet.ts';
import { Recorder } from './recorder.ts';
import { sizes } from './sizes.ts';
import { judgeHistory } from './verdict.ts';

t.test('first pushes of one new tag through three replicas: one wins each round', async (t) => {
  const { url } = await startRedis(t);
  const fleet = await Fleet.start(t, { redisUrl: () => url });
  const recorder = new Recorder();
  const contest = new Contest(fleet, recorder, { pushers: sizes.pushers, isPersistent: false });
  const dice = new Dice(sizes.seed);
  for (let round = 0; round < sizes.raceRounds; round++) await contest.round(dice.fork());
  await contest.end(dice.fork());
  const { rounds, withWinner } = judgeHistory(t, fleet, recorder.history);
  t.equal(rounds, sizes.raceRounds);
  t.equal(withWinner, sizes.raceRounds, 'every round has a winner');
});
