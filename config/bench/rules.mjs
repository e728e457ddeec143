import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../project.mjs';
import { median } from './rounds.mjs';
import { number, printTable } from './table.mjs';

const repeats = 20_000;

/** `decide()` itself, with few rules and with many, for names that were just asked and for names that never were. */
export async function benchRules({ rounds }) {
  const [{ decide }, { compileRepositoryPattern, compileTagPattern }] = await Promise.all(
    ['decision', 'pattern'].map((name) => import(pathToFileURL(join(root, `dist/core/${name}.js`)).href)),
  );
  const rulesOf = (count) => ({
    version: `bench-${count}`,
    repositoryRules: Array.from({ length: count / 2 }, (_, at) => ({
      id: `repository-${at}`,
      repositories: compileRepositoryPattern(at % 2 ? `team-${at}/*` : `team-${at}/frozen`),
      minimumAccessLevelForPush: 'maintainer',
    })),
    tagRules: Array.from({ length: count / 2 }, (_, at) => ({
      ...{ id: `tag-${at}`, repositories: compileRepositoryPattern(`team-${at}/*`) },
      tags: compileTagPattern(at % 2 ? '^v\\d+\\.\\d+' : `^release-${at}`),
      ...(at % 3
        ? { kind: 'immutable', admitsFirstPushFromMs: 0 }
        : { kind: 'protected', minimumAccessLevelForPush: 'maintainer' }),
    })),
    members: [{ subject: 'ci', repositories: compileRepositoryPattern('team-1/*'), accessLevel: 'owner' }],
  });
  const caller = { subject: 'ci', groups: [], defaultAccessLevel: 'developer' };
  const facts = { nowMs: 1, tags: new Map() };
  const put = (repository, tag) => ({ kind: 'putManifest', repository, reference: { tag }, tags: [tag] });
  let never = 0;
  const asked = {
    'seen before': () => put('team-1/app', 'v1.0'),
    'a tag never seen': () => put('team-1/app', `v${++never}.0`),
    'a repository never seen': () => put(`team-1/app-${++never}`, 'v1.0'),
  };
  const sets = { 10: rulesOf(10), 10_000: rulesOf(10_000) };
  const microsecondsOf = (rules, operationOf) => {
    const operations = Array.from({ length: repeats }, operationOf);
    const startedMs = performance.now();
    for (const operation of operations) decide(rules, operation, caller, facts);
    return ((performance.now() - startedMs) * 1000) / repeats;
  };
  const results = Object.entries(asked).map(([what, operationOf]) => {
    const times = Object.entries(sets).map(([count, rules]) => {
      microsecondsOf(rules, operationOf);
      return [count, median(Array.from({ length: rounds }, () => microsecondsOf(rules, operationOf)))];
    });
    return { work: `decide(): ${what}`, microseconds: Object.fromEntries(times) };
  });
  printTable(
    ['decide(), µs', '10 rules', '10,000 rules', 'ratio'],
    results.map(({ work, microseconds: { 10: few, 10_000: many } }) => [
      work,
      number(few),
      number(many),
      `${(many / few).toFixed(2)} ×`,
    ]),
  );
  return results;
}
