import { spawn } from 'node:child_process';
import { Agent } from 'node:http';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { Upstream } from '../../src/adapters/upstream.ts';
import { explainBy } from '../../src/app/explain.ts';
import { filedRules } from '../../src/app/filed-rules.ts';
import { explainSources } from '../../src/app/explain-sources.ts';
import { readExplainArguments } from '../../src/config/explain-arguments.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { ExplainReport } from '../../src/http/explain-report.ts';
import { ask, type Answer } from '../fixtures/ask.ts';
import {
  contents,
  deeds,
  frozenRegistry,
  prefixRules,
  rulesText,
  type Deed,
  type RepositoryState,
} from '../fixtures/explained.ts';
import { projectRoot } from '../fixtures/start.ts';
import { startTagwarden } from '../fixtures/tagwarden.ts';
import { encode } from '../fixtures/token-key.ts';
import { startUpstream } from '../fixtures/upstream.ts';

const prefixes = 100;
const deedsEach = 100;
const atOnce = 16;
t.setTimeout(300_000);
const seed = Number(process.env.TAGWARDEN_TEST_SEED ?? Date.now());

interface Asked extends Deed {
  readonly repository: string;
}

function referenceOf({ tag, content }: Asked): string {
  return tag ?? contents[content].descriptor.digest;
}

/** As it would be typed. */
function argumentsOf(deed: Asked, hasTombstones: boolean): readonly string[] {
  const { action, repository, tag, content, subject, groups, level, state } = deed;
  const is = tag === undefined ? undefined : state.tags[tag];
  // What a name was before it was free only an instance knows.
  const isTold = tag !== undefined && !state.isClosed && (deed.isTold || (hasTombstones && is === undefined));
  return [
    ...[action, `${repository}${tag === undefined ? '@' : ':'}${referenceOf(deed)}`],
    ...(subject === undefined ? [] : ['--as', subject]),
    ...groups.flatMap((group) => ['--group', group]),
    ...(level === undefined ? [] : [`--level=${level}`]),
    ...(action === 'push' && tag !== undefined ? ['--digest', contents[content].descriptor.digest] : []),
    ...(isTold ? (is === undefined ? ['--absent'] : ['--is', contents[is].descriptor.digest]) : []),
  ];
}

/** The verdict of the door and its words, as docker prints them. */
function verdictAt({ status, body }: Answer): Pick<ExplainReport, 'verdict' | 'message'> {
  if (status === 202) return { verdict: 'allowed', message: null };
  const { errors } = JSON.parse(body.toString()) as { errors: { code: string; message: string }[] };
  const [{ code, message } = { code: '', message: '' }] = errors;
  const verdict = status === 403 || status === 404 ? 'denied' : 'undecided';
  return { verdict, message: `${code.toLowerCase().replaceAll('_', ' ')}: ${message}` };
}

const exitCodes = { allowed: 0, denied: 1, undecided: 2 };

/** Of `tagwarden …` as a process; the loader of TypeScript is that of this test. */
function exitCodeOf(args: readonly string[]): Promise<number | null> {
  const child = spawn(process.execPath, [...process.execArgv, join(projectRoot, 'src/main.ts'), ...args]);
  return new Promise((resolve) => child.on('close', resolve));
}

/** Of several tags that need something either may be named. */
function comparable(message: string | null): string | undefined {
  return message?.replace(/(is needed by|belongs to) .*? tag .*? \(rule .*?\)/, '$1 a tag');
}

t.test(`${prefixes * deedsEach} times, explain says what the door does`, { timeout: 300_000 }, async (t) => {
  const all = Array.from({ length: prefixes }, (_, index) =>
    fc.sample(prefixRules(`set${index}`), { numRuns: 1, seed: seed + index }),
  ).flat();
  const asked = fc.sample(deeds, { numRuns: prefixes * deedsEach, seed }).map((deed, index) => ({
    ...deed,
    repository: `set${index % prefixes}/${deed.folder}/${index}`,
  }));
  const states = new Map<string, RepositoryState>(asked.map(({ repository, state }) => [repository, state]));
  const { url } = await startUpstream(t, frozenRegistry(states));
  // The upstream checks the credentials: to verify 10,000 tokens would take half of the time.
  const config = 'auth: { mode: upstream, level_claim: level }\n';
  const door = await startTagwarden(t, { upstream: url, rules: rulesText(all), config });

  const flags = [
    ...['--config', join(dirname(door.rulesFile), 'tagwarden.yaml')],
    ...['--upstream', url, '--rules', door.rulesFile],
  ];
  const loaded = loadConfig({ argv: flags, env: {}, cwd: '/' });
  if ('errors' in loaded) return t.fail(loaded.errors.join('\n'));
  const rules = filedRules(loaded.config);
  if ('errors' in rules) return t.fail(rules.errors.join('\n'));
  const upstream = new Upstream({ origin: url });
  t.teardown(() => upstream.close());
  const sources = await explainSources(loaded.config, upstream);
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  t.teardown(() => {
    agent.destroy();
  });

  const atDoor = async (deed: Asked): Promise<Answer> => {
    const { action, repository, content, subject: sub, groups, level } = deed;
    const token = [{ alg: 'ES256' }, { sub, groups, level }, 'signature'].map(encode).join('.');
    const { bytes, descriptor } = contents[content];
    const body = action === 'push' ? { body: bytes } : {};
    const credentials = sub === undefined ? [] : ['Authorization', `Bearer ${token}`];
    const headers = [...credentials, 'Content-Type', descriptor.mediaType];
    const method = action === 'push' ? 'PUT' : 'DELETE';
    return ask(`${door.url}/v2/${repository}/manifests/${referenceOf(deed)}`, {
      method,
      headers,
      ...body,
      agent,
    });
  };
  const byCommand = async (argv: readonly string[]): Promise<ExplainReport> => {
    const { told, errors } = readExplainArguments(argv);
    if (!told || errors.length > 0) throw new Error(errors.join('\n'));
    return explainBy(rules, loaded.config, told, sources);
  };

  const counts = new Map<string, number>();
  const differences: object[] = [];
  const compare = async (deed: Asked): Promise<void> => {
    const hasTombstones = all[Number(/\d+/.exec(deed.repository)?.[0])]?.tag_rules.some(
      (rule) => 'tombstone' in rule,
    );
    const argv = argumentsOf(deed, hasTombstones === true);
    const [answer, report] = await Promise.all([atDoor(deed), byCommand(argv)]);
    const [there, { verdict, message, matched }] = [verdictAt(answer), report];
    const outcomes = matched.filter((match) => match.enforcement === 'deny').map((match) => match.outcome);
    const stop = { allowed: undefined, denied: 'denies', undecided: 'undecided' }[verdict];
    const isExplained =
      stop === undefined
        ? outcomes.every((outcome) => outcome === 'met' || outcome === 'spared')
        : outcomes.some((outcome) => outcome === stop);
    if (there.verdict !== verdict || comparable(there.message) !== comparable(message) || !isExplained) {
      differences.push({ argv: argv.join(' '), door: there, command: { verdict, message, matched } });
    }
    const what = `${deed.action} ${deed.tag === undefined ? 'digest' : 'tag'} ${verdict}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  };
  const queue = asked.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const deed of queue) await compare(deed);
    }),
  );
  console.error(
    JSON.stringify(
      door.logs
        .filter((l) => Number(l.level) >= 40 && String(l.reason).includes('could not be judged'))
        .slice(0, 2),
    ),
  );
  for (const d of differences.slice(0, 12)) console.error(JSON.stringify(d).slice(0, 1500));
  t.same(
    differences.slice(0, 3),
    [],
    `of ${differences.length} differences with TAGWARDEN_TEST_SEED=${seed}`,
  );
  t.comment(Object.fromEntries(counts));
  const few = asked.filter((deed) => deed.tag !== undefined).slice(0, 6);
  await Promise.all(
    few.map(async (deed) => {
      const argv = argumentsOf(deed, true);
      const { verdict } = await byCommand(argv);
      t.equal(await exitCodeOf(['explain', ...argv, ...flags]), exitCodes[verdict], argv.join(' '));
    }),
  );
  for (const what of ['push tag', 'delete tag', 'delete digest'])
    for (const verdict of ['allowed', 'denied', 'undecided'])
      t.ok(
        (counts.get(`${what} ${verdict}`) ?? 0) >= 50,
        `${what} ${verdict} ${counts.get(`${what} ${verdict}`) ?? 0} times`,
      );
});
