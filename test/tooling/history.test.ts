import t, { type Test } from 'tap';
import {
  checkHistory,
  type Attempt,
  type FaultWindow,
  type History,
  type Sample,
} from '../replicas/history.ts';
import { checkRuleHistory, type Judged, type RuleChange } from '../replicas/rule-history.ts';

const [a, b, c] = ['a', 'b', 'c'].map((digit) => `sha256:${digit.repeat(64)}`) as [string, string, string];

function push(
  digest: string,
  sentMs: number,
  outcome: Attempt['outcome'],
  more: Partial<Attempt> = {},
): Attempt {
  return { round: 0, tag: 'v0', digest, replica: 0, sentMs, answeredMs: sentMs + 10, outcome, ...more };
}

function look(askedMs: number, digest: string, more: Partial<Sample> = {}): Sample {
  return { tag: 'v0', askedMs, answeredMs: askedMs + 1, digest, ...more };
}

const outage: FaultWindow = { name: 'outage', fromMs: 5, untilMs: 50 };
const won = push(a, 0, 'acknowledged');
const lost = push(b, 0, 'denied', { named: a.slice(0, 19) });
const good: History = { attempts: [won, lost], samples: [look(20, a)], faults: [] };

/** What is found where a good history is changed in one way. */
function found(t: Test, change: Partial<History>, kinds: readonly string[], what: string): void {
  const violations = checkHistory({ ...good, ...change });
  t.same(
    violations.map(({ kind }) => kind),
    kinds,
    what,
  );
}

t.test('good histories', (t) => {
  found(t, {}, [], 'one winner, and one who was denied');
  const told = [push(b, 0, 'busy'), push(b, 20, 'unavailable'), push(b, 40, 'denied')];
  found(t, { attempts: [won, ...told], samples: [look(60, a)] }, [], 'losers who were told to wait');
  const again = [won, lost, push(a, 15, 'acknowledged'), push(a, 5, 'denied')];
  found(
    t,
    { attempts: again, samples: [look(30, a)] },
    [],
    'the winner twice; denied while it was under way',
  );
  const early = [look(0, 'absent'), look(3, 'absent'), look(6, a), look(30, a)];
  found(t, { samples: early }, [], 'absent at first');
  const unlucky = [push(a, 0, 'cut'), push(b, 0, 'failed'), push(b, 20, 'unavailable')];
  found(
    t,
    { attempts: unlucky, samples: [look(40, 'absent')], faults: [outage] },
    [],
    'nobody won: an outage',
  );
  const ghost = [look(40, 'absent'), look(80, a), look(90, a)];
  found(t, { attempts: unlucky, samples: ghost, faults: [outage] }, [], 'made late, and never acknowledged');
  t.end();
});

t.test('two digests acknowledged', (t) => {
  const both = [won, push(b, 0, 'acknowledged')];
  found(t, { attempts: both }, ['two acknowledged', 'replaced'], 'one of them is not there');
  found(t, { attempts: both, faults: [outage] }, ['two acknowledged', 'replaced'], 'no fault excuses it');
  found(
    t,
    { attempts: [won, push(b, 500, 'acknowledged')], samples: [look(100, a), look(600, b)] },
    ['two acknowledged', 'replaced', 'moved'],
    'one after the other',
  );
  t.end();
});

t.test('what was acknowledged does not stay', (t) => {
  found(t, { samples: [look(20, b)] }, ['replaced', 'misinformed'], 'another one is there');
  found(t, { samples: [look(20, 'absent')] }, ['replaced', 'misinformed'], 'nothing is there');
  found(t, { samples: [look(20, a), look(900, c)] }, ['replaced', 'moved', 'misinformed'], 'replaced late');
  const back = [look(20, a), look(30, c), look(40, a)];
  found(t, { samples: back, faults: [outage] }, ['replaced', 'moved'], 'replaced, and put back');
  found(
    t,
    { samples: [look(5, b), look(20, a)] },
    ['moved'],
    'it was another one before the acknowledgement',
  );
  t.end();
});

t.test('a tag moves that nobody was told about', (t) => {
  const attempts = [push(a, 0, 'cut'), push(b, 0, 'failed')];
  found(
    t,
    { attempts, samples: [look(20, a), look(80, b)], faults: [outage] },
    ['moved'],
    'to another digest',
  );
  found(t, { attempts, samples: [look(20, a), look(80, 'absent')], faults: [outage] }, ['moved'], 'away');
  t.end();
});

t.test('a denial that names what is not there', (t) => {
  const attempts = [won, push(c, 0, 'denied', { named: b.slice(0, 19) })];
  found(t, { attempts }, ['misinformed'], 'another digest');
  const refused = [push(b, 0, 'denied', { named: a.slice(0, 19) })];
  found(
    t,
    { attempts: refused, samples: [look(20, 'absent')], faults: [outage] },
    ['misinformed'],
    'a free tag',
  );
  t.end();
});

t.test('a winner who is denied when it comes again', (t) => {
  const attempts = [won, push(a, 15, 'denied')];
  found(t, { attempts, samples: [look(30, a)], faults: [outage] }, ['winner denied'], 'the same digest');
  t.end();
});

t.test('a round without faults', (t) => {
  const attempts = [push(a, 0, 'denied'), push(b, 0, 'busy')];
  found(t, { attempts, samples: [look(20, 'absent')] }, ['no winner'], 'has a winner');
  for (const outcome of ['cut', 'failed', 'status 401', 'status 404'] as const) {
    const losers = { attempts: [won, push(b, 0, outcome)] };
    found(t, losers, ['told otherwise'], `no loser is told: ${outcome}`);
    found(t, { ...losers, faults: [outage] }, [], `unless there was a fault: ${outcome}`);
    const before = [{ ...outage, fromMs: -9, untilMs: -1 }];
    found(t, { ...losers, faults: before }, ['told otherwise'], `while it was under way: ${outcome}`);
    found(t, { ...losers, faults: [{ ...outage, tag: 'v0' }] }, [], `or of this tag: ${outcome}`);
    found(
      t,
      { ...losers, faults: [{ ...outage, tag: 'v1' }] },
      ['told otherwise'],
      `not another: ${outcome}`,
    );
  }
  const later = { attempts: [won, push(b, 0, 'cut'), push(c, 90, 'denied')], samples: [look(110, a)] };
  const between = [{ ...outage, fromMs: 40, untilMs: 60 }];
  found(t, { ...later, faults: between }, ['told otherwise'], 'a fault between two pushes excuses neither');
  t.end();
});

t.test('a history that shows nothing', (t) => {
  found(t, { attempts: [], samples: [] }, ['incomplete'], 'nobody pushed');
  found(t, { samples: [] }, ['incomplete', 'misinformed'], 'nobody looked');
  found(t, { samples: [look(9, a)] }, ['incomplete'], 'nobody looked in the end');
  found(
    t,
    { attempts: [won, { ...lost, tag: 'v1' }] },
    ['incomplete', 'misinformed', 'no winner'],
    'other tags',
  );
  found(t, { attempts: [won, { ...lost, round: 1 }] }, ['incomplete'], 'two rounds about one tag');
  found(t, { attempts: [won, { ...lost, answeredMs: -1 }] }, ['incomplete'], 'answered before it was sent');
  found(t, { samples: [look(20, a), look(30, a, { tag: 'v7' })] }, ['incomplete'], 'a tag of nobody');
  t.end();
});

const changes: readonly RuleChange[] = [
  { revision: 1, begunMs: 0, acknowledgedMs: 10, effect: 'denied' },
  { revision: 2, begunMs: 5_000, acknowledgedMs: 5_010, effect: 'created' },
  { revision: 3, begunMs: 10_000, acknowledgedMs: 10_010, effect: 'denied' },
];

function judged(
  sentMs: number,
  revision: number | undefined,
  effect: string,
  more: Partial<Judged> = {},
): Judged {
  const by = revision === undefined ? {} : { revision };
  return { what: `at ${sentMs}`, replica: 0, sentMs, answeredMs: sentMs + 5, effect, ...by, ...more };
}

const sound = [
  judged(100, 1, 'denied'),
  judged(4_996, 2, 'created'),
  judged(5_900, 1, 'denied', { replica: 1 }),
  judged(6_100, 2, 'created', { replica: 1 }),
  judged(12_000, 3, 'denied'),
];

t.test('changes of the rules', (t) => {
  const wrong = (what: string, pattern: RegExp, ...more: readonly Judged[]): void => {
    const violations = checkRuleHistory(changes, [...sound, ...more]);
    t.equal(violations.length, 1, `${what}: ${violations.join('; ')}`);
    t.match(violations[0], pattern, what);
  };
  t.same(checkRuleHistory(changes, sound), [], 'a good history');
  wrong('stale', /revision 1, but in force was 2 to 2/, judged(6_011, 1, 'denied', { replica: 2 }));
  wrong(
    'stale at the end',
    /revision 2, but in force was 3 to 3/,
    judged(11_011, 2, 'created', { replica: 2 }),
  );
  wrong(
    'before it was made',
    /revision 2, but in force was 1 to 1/,
    judged(4_000, 2, 'created', { replica: 2 }),
  );
  wrong('back', /revision 1 after 2/, judged(5_500, 1, 'denied'));
  wrong('half', /answered "created" by revision 3: "denied"/, judged(12_100, 3, 'created'));
  wrong('unknown', /revision 9, which nobody made/, judged(12_100, 9, 'denied', { replica: 2 }));
  t.end();
});

t.test('changes of the rules, where replicas do not say by what they judge', (t) => {
  const blind = sound.map(({ sentMs, effect, replica }) => judged(sentMs, undefined, effect, { replica }));
  t.same(checkRuleHistory(changes, blind), [], 'a good history');
  const stale = judged(6_011, undefined, 'denied');
  t.match(checkRuleHistory(changes, [...blind, stale]), [/answered "denied", as nothing was/], 'stale');
  t.end();
});

t.test('changes of the rules that show nothing', (t) => {
  t.match(checkRuleHistory(changes.slice(0, 1), sound), [/nothing was changed/]);
  t.match(checkRuleHistory(changes, sound.slice(0, 4)), [/nobody asked after the last change/]);
  t.end();
});
