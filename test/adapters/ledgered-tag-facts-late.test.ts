import t, { type Test } from 'tap';
import { InMemoryLedger } from '../../src/adapters/ledger-memory.ts';
import { LedgeredTagFacts } from '../../src/adapters/ledgered-tag-facts.ts';
import { CredentialsRefused, StoreAway, type Ledger, type TagFacts } from '../../src/core/ports.ts';
import { ManualClock, settled } from '../fixtures/clock.ts';
import {
  Observed,
  one,
  present,
  repository,
  shows,
  tag,
  two,
  verified,
} from '../fixtures/ledgered-tag-facts.ts';
import { startUpstream, type Script } from '../fixtures/upstream.ts';

interface Scene {
  readonly observed: Observed;
  readonly clock: ManualClock;
  readonly ledger: Ledger;
}

async function open(t: Test, script: Script, ledger: Ledger = new InMemoryLedger()): Promise<Scene> {
  const upstream = await startUpstream(t, script);
  const clock = new ManualClock();
  return { observed: new Observed(t, upstream.url, ledger, clock), clock, ledger };
}

/** What goes on when the test lets it. */
function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  let open: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open };
}

/** An upstream that decides on its answer at once, and sends it late. */
function showsLate(script: Script, { passed }: { readonly passed: Promise<void> }): Script {
  return async (req, res, recorded) => {
    await passed;
    await script(req, res, recorded);
  };
}

/** A ledger that reads late. */
function readsLate(ledger: Ledger, { passed }: { readonly passed: Promise<void> }): Ledger {
  return {
    recall: async (...place) => {
      await passed;
      return ledger.recall(...place);
    },
    recallAll: (...places) => ledger.recallAll(...places),
    note: (sighting) => ledger.note(sighting),
    forget: (...which) => ledger.forget(...which),
    close: () => ledger.close(),
  };
}

t.test(
  'an answer from before a push that was confirmed meanwhile is no tampering, and undoes nothing',
  async (t) => {
    for (const ledgerIsLate of [false, true]) {
      for (const answer of ['absent', one.sha256] as const) {
        await t.test(`${answer}, ledger ${ledgerIsLate ? 'late' : 'at once'}`, async (t) => {
          const memory = new InMemoryLedger();
          const [asked, read] = [gate(), gate()];
          const ledger = ledgerIsLate ? readsLate(memory, read) : memory;
          const { observed, clock } = await open(t, showsLate(shows(answer), asked), ledger);
          const looking = observed.look();
          await settled();
          clock.jump(1);
          await memory.note({ repository, tag, digest: two.sha256, seenMs: clock.nowMs() });
          read.open();
          asked.open();
          await looking;
          t.equal(observed.facts.tamperings, 0);
          t.match(await memory.recall(repository, tag), { digest: two.sha256 });
        });
      }
    }
  },
);

t.test('a look-up counts as seen when it began', async (t) => {
  const answer = gate();
  const { observed, clock, ledger } = await open(t, showsLate(shows(one.sha256), answer));
  const looking = observed.look();
  await settled();
  const askedMs = clock.nowMs();
  clock.jump(5_000);
  answer.open();
  await looking;
  t.match(await ledger.recall(repository, tag), { firstSeenMs: askedMs, lastSeenMs: askedMs });
});

t.test('a ledger that never answers delays nobody whom it may not deny', async (t) => {
  const never = readsLate(new InMemoryLedger(), gate());
  const { observed } = await open(t, shows(one.sha256), never);
  observed.facts.seen(repository, [tag], two.sha256);
  t.same(await observed.look(), present(one.sha256));

  const memory = new InMemoryLedger();
  const deaf: Ledger = {
    ...readsLate(memory, { passed: Promise.resolve() }),
    note: () => gate().passed.then(() => true),
  };
  t.same(
    await (await open(t, shows(one.sha256), deaf)).observed.look({ immutable: verified(0) }),
    present(one.sha256),
  );
});

t.test('what the ledger took of the time is not given to the upstream', async (t) => {
  const read = gate();
  const clock = new ManualClock();
  const given: number[] = [];
  const asked: TagFacts = {
    lookUp: ({ withinMs }) => {
      given.push(withinMs);
      return Promise.resolve({ state: 'absent' });
    },
    seen: () => undefined,
    gone: () => undefined,
  };
  const silent = { warn: () => undefined, error: () => undefined };
  const facts = new LedgeredTagFacts(asked, readsLate(new InMemoryLedger(), read), clock, silent);
  const looking = facts.lookUp({ repository, tag, asCaller: [], withinMs: 10_000, immutable: verified(0) });
  clock.jump(900);
  read.open();
  await looking;
  t.same(given, [9_100]);
});

function broken(error: Error): Ledger {
  const fail = (): Promise<never> => Promise.reject(error);
  return { recall: fail, recallAll: fail, note: fail, forget: fail, close: () => Promise.resolve() };
}

t.test('without a ledger a look-up is what it is without one', async (t) => {
  const { observed } = await open(t, shows(one.sha256), broken(new StoreAway('away')));
  t.same(await observed.look({ pushed: one }), present(one.sha256, true));
  t.same(await observed.look({ immutable: verified(0), pushed: two }), present(one.sha256));
  observed.facts.seen(repository, [tag], one.sha256);
  await settled();
  t.equal(observed.facts.ledgerFailures, 3);
  t.same(observed.told, [], 'that the store is away is told by the store');
  t.equal(observed.facts.tamperings, 0);
});

t.test('a ledger that can be read and not written is no more in the way', async (t) => {
  const memory = new InMemoryLedger();
  const readable: Ledger = {
    ...broken(new StoreAway('away')),
    recall: (...place) => memory.recall(...place),
  };
  const { observed } = await open(t, shows('absent'), readable);
  await memory.note({ repository, tag, digest: one.sha256, seenMs: 0 });
  t.same(await observed.look(), { state: 'absent' });
  t.equal(observed.facts.ledgerFailures, 1);
});

t.test('a fault of the ledger is told', async (t) => {
  const { observed } = await open(t, shows(one.sha256), broken(new TypeError('a fault')));
  t.same(await observed.look(), present(one.sha256));
  t.match(observed.told, [{ level: 'warn', message: 'the ledger failed' }]);
});

t.test('credentials that the upstream refuses are refused, whatever the ledger does', async (t) => {
  const refuses: Script = (_, res) => void res.writeHead(401, { 'WWW-Authenticate': 'Basic' }).end();
  for (const ledger of [new InMemoryLedger(), broken(new StoreAway('away'))]) {
    const { observed } = await open(t, refuses, ledger);
    await t.rejects(observed.look(), new CredentialsRefused(['Basic']));
    await t.rejects(observed.look({ immutable: verified(0) }), new CredentialsRefused(['Basic']));
  }
});
