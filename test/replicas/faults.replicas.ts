import t from 'tap';
import { startRedis } from '../fixtures/redis.ts';
import { Contest } from './contest.ts';
import { Dice } from './dice.ts';
import { episode, type Scene } from './episode.ts';
import { lifetimes, networkFaults, redisFaults, replicaFaults, upstreamFaults } from './faults.ts';
import { Fleet } from './fleet.ts';
import { Recorder } from './recorder.ts';
import { RedisLink } from './redis-link.ts';
import { sizes } from './sizes.ts';
import { judgeHistory } from './verdict.ts';

t.test('first pushes while everything breaks that can: no tag is created twice', async (t) => {
  t.comment(`seed ${sizes.seed}`);
  const redis = await startRedis(t);
  const links = await Promise.all([0, 1, 2].map(() => RedisLink.open(t, redis.port)));
  const redisUrl = (replica: number): string => `redis://127.0.0.1:${links[replica]?.port ?? 0}`;
  const fleet = await Fleet.start(t, { redisUrl, config: { claims: lifetimes } });
  const recorder = new Recorder();
  const contest = new Contest(fleet, recorder, { pushers: sizes.pushers, isPersistent: true });
  const scene: Scene = { fleet, recorder, contest };
  const faults = [
    ...upstreamFaults(scene),
    ...replicaFaults(scene),
    ...redisFaults(scene, redis, links),
    ...networkFaults(scene, links),
  ].filter(({ name }) => name.includes(sizes.faults));

  const dice = new Dice(sizes.seed);
  let deck = dice.shuffled(faults);
  while (contest.rounds < sizes.faultRounds) {
    const [fault, ...rest] = deck;
    if (fault) await episode(scene, fault, dice.fork());
    deck = rest.length > 0 ? rest : dice.shuffled(faults);
  }
  await contest.end(dice.fork());

  const { rounds, withWinner, unharmed } = judgeHistory(t, fleet, recorder.history);
  t.ok(withWinner > rounds / 2, 'most rounds have a winner: not everything was refused');
  t.ok(unharmed > 0, 'some rounds met no fault');
});
