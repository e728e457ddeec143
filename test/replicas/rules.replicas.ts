import { renameSync, writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { eventually } from '../fixtures/eventually.ts';
import { startRedis } from '../fixtures/redis.ts';
import { Fleet } from './fleet.ts';
import type { Replica } from './replica.ts';
import { adoptionMs, checkRuleHistory, type Judged, type RuleChange } from './rule-history.ts';
import { sizes } from './sizes.ts';
import { Traffic } from './traffic.ts';

const open = gateRules('developer');
const closed = gateRules('no_access');

function gateRules(level: string): string {
  return `tag_rules:
  - { id: releases, tag_name_pattern: ^v, immutable: true }
  - { id: gate, tag_name_pattern: ^gate-, minimum_access_level_for_push: ${level} }
`;
}

t.test('a change of the rules under load is in force on every replica within a second', async (t) => {
  const { url } = await startRedis(t);
  const fleet = await Fleet.start(t, { redisUrl: () => url, rules: open });
  const [writer] = fleet.replicas;
  if (!writer) throw new Error('there is no writer');
  const changes: RuleChange[] = [
    { revision: inForce(writer).revision, begunMs: 0, acknowledgedMs: 0, effect: 'acknowledged' },
  ];
  let number = 0;
  const traffic = Traffic.start(fleet.replicas, 4, async (replica) => {
    const what = `gate-${++number}`;
    const { told } = await fleet.push(replica, what, fleet.newContent());
    const { sentMs, answeredMs, outcome } = told;
    return { what, replica: replica.index, sentMs, answeredMs, effect: outcome };
  });
  await traffic.goOn(performance.now());
  for (let change = 1; change <= sizes.ruleChanges; change++) {
    const isClosing = change % 2 === 1;
    changes.push(
      await changeRules(fleet, writer, isClosing ? closed : open, isClosing ? 'denied' : 'acknowledged'),
    );
    await traffic.goOn((changes.at(-1)?.acknowledgedMs ?? 0) + adoptionMs);
  }
  const answered = await traffic.stop();
  await eventually('every request is in the log', () =>
    withRevisions(answered, fleet.replicas).every(({ revision }) => revision !== undefined),
  );
  const judged = withRevisions(answered, fleet.replicas);
  t.same(checkRuleHistory(changes, judged), [], 'nothing is judged by what was before');
  tellHowSoon(t, changes, judged);
});

/** Replaces the file of the writer, and waits until the writer says that the new rules are in force. */
async function changeRules(
  fleet: Fleet,
  writer: Replica,
  rules: string,
  effect: string,
): Promise<RuleChange> {
  const { revision: before } = inForce(writer);
  const begunMs = performance.now();
  const aside = `${fleet.rulesFile}.new`;
  writeFileSync(aside, rules);
  renameSync(aside, fleet.rulesFile);
  await eventually('the writer has the new rules in force', () => inForce(writer).revision > before);
  const { revision, atMs } = inForce(writer);
  return { revision, begunMs, acknowledgedMs: atMs, effect };
}

/** By the last line in which a replica says so. */
function inForce({ lines }: Replica): { readonly revision: number; readonly atMs: number } {
  const line = lines.findLast(({ msg }) => msg === 'rules in force');
  if (!line) throw new Error('nothing is in force');
  return { revision: revisionOf(line['version']), atMs: line.time - performance.timeOrigin };
}

/** A version begins with the revision of the store. */
function revisionOf(version: unknown): number {
  return Number(/^(\d+)-/.exec(String(version))?.[1] ?? NaN);
}

/** What the log of each replica says by what each request was judged. */
function withRevisions(judged: readonly Judged[], replicas: readonly Replica[]): readonly Judged[] {
  const versions = replicas.map(
    ({ lines }) => new Map(lines.map((line) => [line['reference'], line['rulesVersion']] as const)),
  );
  return judged.map((request) => {
    const version = versions[request.replica]?.get(request.what);
    return version === undefined ? request : { ...request, revision: revisionOf(version) };
  });
}

function tellHowSoon(t: Test, changes: readonly RuleChange[], judged: readonly Judged[]): void {
  const soonest = changes.slice(1).flatMap(({ revision, acknowledgedMs }) =>
    [0, 1, 2].map((replica) => {
      const first = judged.find((request) => request.replica === replica && request.revision === revision);
      return Math.round((first?.sentMs ?? NaN) - acknowledgedMs);
    }),
  );
  t.comment(`${judged.length} requests; first judged by new rules after ${soonest.join(', ')} ms`);
}
