import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from '../fixtures/redis.ts';
import type { Dice } from './dice.ts';
import { befall, type Fault, type Scene } from './episode.ts';
import { errorAfterCommit, lateCommit, relay, type Fate, type Held } from './flaky-upstream.ts';
import type { Replica } from './replica.ts';
import type { RedisLink } from './redis-link.ts';

/**
 * Short, so that quarantines end within the run; but what an upstream may take at most, it takes: it commits shortly
 * before the claim's time is up, and long after a claim would have ended that nobody armed (10 s).
 */
export const lifetimes = { ttl_seconds: 15, put_deadline_seconds: 7 };
const latestCommitMs = 12_000;
const withinMs = 14_300;

/** Nobody hears of this PUT any more, and it is committed as late as may be. */
export const latest = lateCommit({ cutAfterMs: 0, commitAfterMs: latestCommitMs, withinMs });

/** Somewhere between. */
function late(dice: Dice): Fate {
  const cutAfterMs = dice.between(0, lifetimes.put_deadline_seconds * 1_000);
  return lateCommit({ cutAfterMs, commitAfterMs: dice.between(cutAfterMs, latestCommitMs), withinMs });
}

export function upstreamFaults(scene: Scene): readonly Fault[] {
  const ofOnePush = (name: string, fate: Fate): Fault => {
    const strike = async (): Promise<void> => {
      for (let push = 0; push < 3; push++) await befall(scene, name, fate);
    };
    return { name, strike, isOfSinglePushes: true };
  };
  return [
    ofOnePush('the upstream answers 500 after committing', errorAfterCommit),
    ofOnePush('the upstream commits long after the connection was cut', latest),
  ];
}

export function replicaFaults(scene: Scene): readonly Fault[] {
  const { replicas, upstream } = scene.fleet;
  const senderOf = ({ replica }: Held): Replica => {
    const sender = replicas.find(({ address }) => address === replica);
    if (!sender) throw new Error(`a request came from ${replica}, which is no replica`);
    return sender;
  };
  return [
    {
      name: 'a replica is killed in the middle of its PUT',
      strike: async (dice) => {
        const replica = senderOf(await befall(scene, 'killed in its PUT', late(dice)));
        await replica.kill();
        await sleep(dice.between(0, 1_000));
        await replica.start();
      },
    },
    {
      name: 'a replica stands still in the middle of its push, for longer than its claim lives',
      strike: async (dice) => {
        // Between its claim and its PUT it asks, by a GET, whether the tag is absent.
        const replica = senderOf(await upstream.next(dice.pick(['GET', 'PUT']), relay));
        replica.pause();
        await sleep((lifetimes.ttl_seconds + 1) * 1_000);
        replica.resume();
      },
    },
  ];
}

/** Often while a PUT is on its way that nobody hears of any more: then it matters what is forgotten. */
async function perhapsWithPutUnderWay(scene: Scene, dice: Dice): Promise<void> {
  if (dice.happens(0.7)) await befall(scene, 'and a late commit', latest);
}

export function redisFaults(scene: Scene, redis: Redis, links: readonly RedisLink[]): readonly Fault[] {
  return [
    {
      name: 'Redis is restarted with its data',
      strike: async (dice) => {
        await perhapsWithPutUnderWay(scene, dice);
        await redis.stop();
        await sleep(dice.between(0, 1_500));
        await redis.start();
      },
    },
    {
      name: 'Redis is restarted without its data',
      strike: async (dice) => {
        await perhapsWithPutUnderWay(scene, dice);
        await redis.restart({ withData: false });
      },
    },
    {
      name: 'Redis is restarted with older data, and who could tell comes back late',
      strike: async (dice) => {
        await redis.cli('save');
        const { replica } = await befall(scene, 'and a late commit', latest);
        const link = links[scene.fleet.replicas.findIndex(({ address }) => address === replica)];
        link?.silence();
        await redis.restart({ withData: true });
        await sleep(dice.between(1_000, 3_000));
        link?.mend();
      },
    },
    {
      name: 'Redis stands still for 5 s',
      strike: async (dice) => {
        await perhapsWithPutUnderWay(scene, dice);
        await redis.pause(5_000);
      },
    },
  ];
}

export function networkFaults(scene: Scene, links: readonly RedisLink[]): readonly Fault[] {
  const cut = (how: 'silence' | 'reset') => async (dice: Dice) => {
    const link = dice.pick(links);
    await perhapsWithPutUnderWay(scene, dice);
    link[how]();
    await sleep(dice.between(300, 4_000));
    link.mend();
  };
  return [
    { name: 'the network between a replica and Redis is silent', strike: cut('silence') },
    { name: 'the network between a replica and Redis resets', strike: cut('reset') },
  ];
}
