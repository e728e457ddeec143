import t, { type Test } from 'tap';
import { startCluster } from '../fixtures/redis-cluster.ts';
import { startSentinel } from '../fixtures/redis-sentinel.ts';
import { Contest } from './contest.ts';
import { Dice } from './dice.ts';
import { befall, episode } from './episode.ts';
import { latest, lifetimes } from './faults.ts';
import { Fleet } from './fleet.ts';
import { Recorder } from './recorder.ts';
import { sizes } from './sizes.ts';
import { judgeHistory } from './verdict.ts';

interface Topology {
  readonly url: string;
  /** Kills the server that has the claims; resolves when another one has taken over. */
  readonly failOver: () => Promise<void>;
}

t.test('Sentinel: rounds before, during and after a failover', async (t) => {
  const redis = await startSentinel(t);
  await contestOver(t, { url: redis.url, failOver: () => redis.killMaster() });
});

t.test('Cluster: rounds before, during and after a failover', async (t) => {
  const redis = await startCluster(t, { hasReplicas: true });
  const failOver = async (): Promise<void> => (await redis.ownerOf('{tagwarden}:store')).kill();
  await contestOver(t, { url: redis.url, failOver });
});

async function contestOver(t: Test, { url, failOver }: Topology): Promise<void> {
  const fleet = await Fleet.start(t, { redisUrl: () => url, config: { claims: lifetimes } });
  const recorder = new Recorder();
  const contest = new Contest(fleet, recorder, { pushers: sizes.pushers, isPersistent: true });
  const scene = { fleet, recorder, contest };
  const dice = new Dice(sizes.seed);
  for (let round = 0; round < sizes.failoverRounds; round++) await contest.round(dice.fork());
  const strike = async (): Promise<void> => {
    await befall(scene, 'and a late commit', latest);
    await failOver();
  };
  await episode(scene, { name: 'failover', strike }, dice);
  await contest.end(dice.fork());

  const { rounds, withWinner, unharmed } = judgeHistory(t, fleet, recorder.history);
  t.ok(withWinner > rounds / 2, 'most rounds have a winner: not everything was refused');
  t.ok(unharmed >= sizes.failoverRounds, 'most rounds met no fault');
}
