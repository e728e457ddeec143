import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { eventually } from '../fixtures/eventually.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { startRegistry } from '../fixtures/registry.ts';
import { Dice } from '../replicas/dice.ts';
import { inspected, keptBy } from '../replicas/memory.ts';
import { Replica } from '../replicas/replica.ts';
import { MixedTraffic } from './mixed-traffic.ts';

/** A minute is enough to see a leak of what every request leaves behind; `npm run soak` takes ten. */
const seconds = Number(process.env['SOAK_SECONDS'] ?? 60);
/** By then everything is compiled, and caches have what they will have. */
const warmSeconds = Math.min(60, seconds / 3);
const atOnce = 12;
/** A heap that is measured after a collection still differs by what is under way. */
const toleratedMiB = 4;

t.test(
  `${seconds} s of everything at once: nothing is lost, nothing is kept`,
  { timeout: (seconds + 60) * 1000 },
  async (t) => {
    const registry = await startRegistry(t);
    const directory = temporaryDirectory(t);
    const rulesFile = join(directory, 'rules.yaml');
    const writeRules = (change: number): void => {
      writeFileSync(`${rulesFile}.new`, rulesOf(change));
      renameSync(`${rulesFile}.new`, rulesFile);
    };
    writeRules(0);
    const config = { upstream: { url: registry.url }, rules: { file: rulesFile } };
    const replica = await Replica.start(t, 0, join(directory, 'replica'), config, inspected);
    const traffic = new MixedTraffic(replica.url, new Dice(Date.now()));
    await traffic.prepare();
    traffic.start(atOnce);
    let changes = 0;
    const changing = setInterval(() => {
      writeRules(++changes);
    }, 2_000);
    t.teardown(() => {
      clearInterval(changing);
    });

    await sleep(warmSeconds * 1000);
    const warm = await keptBy(replica);
    await sleep((seconds - warmSeconds) * 1000);
    const end = await keptBy(replica);
    clearInterval(changing);
    await traffic.stop();

    t.same(traffic.violations.slice(0, 20), [], 'every client got what it must get');
    t.comment(`${traffic.answered.size} requests; ${JSON.stringify({ warm, end })}`);
    t.ok(traffic.answered.size > 5 * seconds, `${traffic.answered.size} requests were answered`);
    t.ok(end.heap <= warm.heap * 1.1 + toleratedMiB, `heap: ${warm.heap} MiB, then ${end.heap}`);
    t.ok(
      end.resident <= warm.resident * 1.1 + 2 * toleratedMiB,
      `memory: ${warm.resident} MiB, then ${end.resident}`,
    );

    const logged = new Map<string, number>();
    const count = (): void => {
      logged.clear();
      for (const { requestId } of replica.lines)
        if (typeof requestId === 'string') logged.set(requestId, (logged.get(requestId) ?? 0) + 1);
    };
    await eventually('the log has everything', () => {
      count();
      return [...traffic.answered].every((id) => logged.has(id));
    });
    const twice = [...logged].filter(([, times]) => times > 1);
    t.same(twice, [], 'nothing is logged twice');
    const unknown = [...logged.keys()].filter(
      (id) => id.startsWith('soak-') && !traffic.answered.has(id) && !traffic.brokenOff.has(id),
    );
    t.same(unknown, [], 'and nothing that was not sent');
    t.equal(replica.lines.filter(({ msg }) => msg === 'failed').length, 0, 'no request failed');
    const rulesInForce = replica.lines.filter(({ msg }) => msg === 'rules in force').length;
    t.ok(rulesInForce > changes / 2, `${rulesInForce} of ${changes} changes of the rules were in force`);
    t.notMatch(
      replica.said.replace(/^.*(?:Debugger|inspector|For help).*$/gm, ''),
      /\S/,
      'nothing on standard error',
    );
  },
);

function rulesOf(change: number): string {
  return `tag_rules:
  - { id: releases, repository_path_pattern: soak/*, tag_name_pattern: ^v, immutable: true }
  - { id: change-${change}, repository_path_pattern: elsewhere/*, tag_name_pattern: ^v${change}, immutable: true }
`;
}
