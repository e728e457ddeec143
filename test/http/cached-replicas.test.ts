import t, { type Test } from 'tap';
import { AnnouncedChanges, announcedTo, nobodyElse } from '../../src/adapters/announced-changes.ts';
import { RedisAnnouncements } from '../../src/adapters/redis/announcements.ts';
import type { Announcements } from '../../src/core/ports.ts';
import type { Repository } from '../../src/core/reference.ts';
import { RepositoryChanges } from '../../src/core/repository-changes.ts';
import { ask, refusalOf } from '../fixtures/ask.ts';
import { isKept, pathOf } from '../fixtures/cached.ts';
import { ManualClock, ShiftedClock } from '../fixtures/clock.ts';
import { eventually } from '../fixtures/eventually.ts';
import { ManifestShelf } from '../fixtures/manifest-shelf.ts';
import { openStore, startRedis } from '../fixtures/redis.ts';
import { startTagwarden, type Tagwarden } from '../fixtures/tagwarden.ts';
import { startUpstream } from '../fixtures/upstream.ts';

const repository = 'team/app' as Repository;

interface Heard {
  readonly announcements: Announcements;
  readonly heard: (string | undefined)[];
}

t.test('other replicas hear through Redis', async (t) => {
  const redis = await startRedis(t);
  const shelf = new ManifestShelf();
  const upstream = await startUpstream(t, shelf.script);
  const config = `redis: { url: '${redis.url}' }\nrules: { publish: true }\n`;
  const replica = (): Promise<Tagwarden> =>
    startTagwarden(t, { upstream: upstream.url, rules: 'tag_rules: []\n', config });
  const [one, two] = [await replica(), await replica()];
  const name = `a@${shelf.put('a', 'x', '{}')}`;
  const read = (from: Tagwarden) => ask(from.url + pathOf(name));
  await eventually('each keeps it', async () => isKept(await read(one)) && isKept(await read(two)));
  const removed = await ask(one.url + pathOf(name), { method: 'DELETE' });
  t.equal(removed.status, 202, refusalOf(removed));
  t.equal((await read(one)).status, 404);
  await eventually('the other has heard', async () => (await read(two)).status === 404);
});

t.test('through Redis, and without it', async (t) => {
  const redis = await startRedis(t);
  const open = async (): Promise<Heard> => {
    const announcements = new RedisAnnouncements(await openStore(t, redis.url), new ShiftedClock());
    const heard: (string | undefined)[] = [];
    announcements.onAnnounced((it) => heard.push(it));
    await eventually('it listens', () => heard.length > 0);
    t.strictSame(heard.splice(0), [undefined], 'from before it has heard nothing');
    return { announcements, heard };
  };
  const [one, two] = [await open(), await open()];
  await one.announcements.announce(repository);
  await two.announcements.announce('Host.COM:8080/b' as Repository);
  await eventually('both have heard', () => one.heard.length > 0 && two.heard.length > 0);
  t.strictSame(
    [one.heard.splice(0), two.heard.splice(0)],
    [['Host.COM:8080/b'], [repository]],
    'not of themselves',
  );

  redis.suspend();
  const startMs = performance.now();
  await one.announcements.announce(repository);
  t.ok(performance.now() - startMs < 900, 'a Redis that says nothing is not waited for');
  redis.resume();
  await redis.restart({ withData: false });
  await eventually(
    'some may have been missed',
    () => one.heard.includes(undefined) && two.heard.includes(undefined),
  );
  await redis.stop();
  await one.announcements.announce(repository);
  t.pass('nor is one that is gone');
});

/** Others who hear when they are told to. */
class Others implements Announcements {
  readonly announced: string[] = [];
  tell: (repository: Repository | undefined) => void = () => undefined;
  hear: () => void = () => undefined;

  announce(repository: Repository): Promise<void> {
    this.announced.push(repository);
    return new Promise((resolve) => (this.hear = resolve));
  }

  onAnnounced(hear: (repository: Repository | undefined) => void): void {
    this.tell = hear;
  }
}

t.test('others are told before and after, and then waited for', async (t) => {
  const { changes, others, announced } = scene(t);
  const moments = [changes.now()];
  let end: (() => void) | undefined;
  let isOver = false;
  const done = announced
    .around(repository, () => {
      moments.push(changes.now());
      return new Promise<void>((resolve) => (end = resolve));
    })
    .finally(() => (isOver = true));
  t.ok(changes.hasChangedSince(repository, moments[0] ?? 0), 'before it is sent');
  t.strictSame(
    others.map((it) => it.announced),
    [[repository], [repository]],
  );
  end?.();
  await new ManualClock().advance(0);
  t.ok(changes.hasChangedSince(repository, moments[1] ?? 0), 'and when it is over');
  t.strictSame(
    others.map((it) => it.announced.length),
    [2, 2],
  );
  others[0]?.hear();
  await new ManualClock().advance(0);
  t.notOk(isOver, 'one of them has not heard');
  others[1]?.hear();
  await done;
});

t.test('what fails counts too, and what others tell', async (t) => {
  const { changes, others, announced } = scene(t);
  const moment = changes.now();
  const failing = announced.around(repository, () => Promise.reject(new Error('lost')));
  const failed = t.rejects(failing, { message: 'lost' });
  await new ManualClock().advance(0);
  for (const other of others) other.hear();
  await failed;
  t.ok(changes.hasChangedSince(repository, moment));
  const later = changes.now();
  others[1]?.tell('b' as Repository);
  t.strictSame(
    ['b', repository].map((name) => changes.hasChangedSince(name as Repository, later)),
    [true, false],
  );
  others[0]?.tell(undefined);
  t.ok(changes.hasChangedSince(repository, later), 'of any, where some may have been missed');
});

function scene(t: Test) {
  const changes = new RepositoryChanges();
  const others = [new Others(), new Others()];
  t.ok(nobodyElse.announce(repository));
  const announced = new AnnouncedChanges(changes, announcedTo([...others, nobodyElse]));
  return { changes, others, announced };
}
