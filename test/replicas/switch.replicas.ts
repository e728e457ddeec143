import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openSigningKey } from '../../src/adapters/token/signing-key.ts';
import { claimsOf, dev, passwords, service, tokenOf, usersText } from '../fixtures/builtin.ts';
import { ask, bearer } from '../fixtures/client.ts';
import { runProgram, temporaryDirectory } from '../fixtures/program.ts';
import { startRedis } from '../fixtures/redis.ts';
import { projectRoot } from '../fixtures/start.ts';
import { Fleet, repository } from './fleet.ts';
import type { Replica } from './replica.ts';
import { adoptionMs, checkRuleHistory, type RuleChange } from './rule-history.ts';
import { sizes } from './sizes.ts';
import { Traffic } from './traffic.ts';

t.test('the switch for immutable rules turns on every replica within a second', async (t) => {
  const { url } = await startRedis(t);
  const config = await builtinUsers(t);
  const authorize = async (replica: Replica): Promise<readonly string[]> => bearer(await newToken(replica));
  const fleet = await Fleet.start(t, { redisUrl: () => url, config, authorize });
  const [first] = fleet.replicas;
  if (!first) throw new Error('there is no replica');
  await fleet.push(first, 'v-moved', fleet.newContent());

  const tokens = Traffic.start(fleet.replicas, 2, async (replica) => {
    const sentMs = performance.now();
    const effect = carriesPatterns(await newToken(replica)) ? 'on' : 'off';
    const answeredMs = performance.now();
    return { what: 'a token', replica: replica.index, sentMs, answeredMs, effect };
  });
  // With a token from before, which carries the patterns of then: they bind nobody once the switch is off.
  const pushes = Traffic.start(fleet.replicas, 2, async (replica) => {
    const { told } = await fleet.push(replica, 'v-moved', fleet.newContent());
    const { sentMs, answeredMs, outcome } = told;
    const effect = { denied: 'on', acknowledged: 'off' }[outcome as string] ?? outcome;
    return { what: 'a push', replica: replica.index, sentMs, answeredMs, effect };
  });
  const changes: RuleChange[] = [{ revision: 0, begunMs: 0, acknowledgedMs: 0, effect: 'on' }];
  for (let change = 1; change <= sizes.ruleChanges; change++) {
    const effect = change % 2 === 1 ? 'off' : 'on';
    const begunMs = performance.now();
    await turn(first, effect);
    changes.push({ revision: change, begunMs, acknowledgedMs: performance.now(), effect });
    const afterMs = performance.now() + adoptionMs;
    await Promise.all([tokens.goOn(afterMs), pushes.goOn(afterMs)]);
  }
  t.same(checkRuleHistory(changes, await tokens.stop()), [], 'no token carries patterns of before');
  t.same(checkRuleHistory(changes, await pushes.stop()), [], 'no push is judged by what was before');
});

async function builtinUsers(t: Test): Promise<object> {
  const directory = temporaryDirectory(t);
  const users_file = join(directory, 'users');
  const signing_key_file = join(directory, 'signing.key');
  writeFileSync(users_file, usersText(passwords));
  // Of all replicas; made before the first of them could make one.
  await openSigningKey(signing_key_file);
  return { auth: { mode: 'builtin', users_file, signing_key_file } };
}

async function newToken({ url }: Replica): Promise<string> {
  const query = new URLSearchParams({ service, scope: `repository:${repository}:pull,push` });
  return tokenOf(await ask(`${url}/jwt/auth?${query.toString()}`, { headers: dev })).access_token;
}

function carriesPatterns(token: string): boolean {
  return claimsOf(token).access.some(({ meta }) => meta && 'tag_immutable_patterns' in meta);
}

/** As an operator does it. */
async function turn({ configFile }: Replica, state: string): Promise<void> {
  const args = ['dist/main.js', 'immutability', state, '--config', configFile];
  const { exitCode, output } = await runProgram('node', args, { cwd: projectRoot });
  if (exitCode !== 0) throw new Error(`tagwarden immutability ${state}: ${output}`);
}
