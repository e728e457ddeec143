import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { wallClock } from '../../../src/adapters/clock.ts';
import { LoginLimit } from '../../../src/adapters/token/login-limit.ts';
import { InMemoryUnlocks } from '../../../src/adapters/unlocks-memory.ts';
import { NotManaged, nothingManaged, type ManagedRules } from '../../../src/core/managed-rules.ts';
import { StoreAway } from '../../../src/core/ports.ts';
import { isTag } from '../../../src/core/reference.ts';
import { noRules } from '../../../src/core/rule.ts';
import { adminServer } from '../../../src/http/admin.ts';
import { managementApi } from '../../../src/http/api/management-api.ts';
import { askGraphql, repositoryId, type GraphqlAnswer } from '../../fixtures/graphql.ts';

interface Fate {
  managed: Error | undefined;
  list: Error | undefined;
  lookUp: () => { readonly state: 'unknown'; readonly reason: string };
  doubt: string | undefined;
}

interface Scene {
  readonly fate: Fate;
  readonly logs: readonly string[];
  readonly ask: (query: string) => Promise<GraphqlAnswer>;
}

/** A management API whose parts fail as a test says. */
async function startFailing(t: Test): Promise<Scene> {
  const logs: string[] = [];
  const fate: Fate = {
    ...{ managed: undefined, list: undefined, doubt: undefined },
    lookUp: () => ({ state: 'unknown', reason: 'it is away' }),
  };
  const or = <Value>(error: Error | undefined, value: Value): Promise<Value> =>
    error ? Promise.reject(error) : Promise.resolve(value);
  const managed: ManagedRules = {
    state: () => or(fate.managed, nothingManaged),
    change: (edit) => or(fate.managed, edit(nothingManaged)),
  };
  const api = managementApi({
    ...{ managed, attempts: new LoginLimit(wallClock), unlocks: new InMemoryUnlocks(wallClock) },
    tokens: { callerOf: () => Promise.resolve({ name: 'root', grants: [{ role: 'write' }] }) },
    ...{ onChange: () => undefined, onUnlock: () => undefined },
    log: pino({ level: 'error' }, { write: (line: string) => void logs.push(line) }),
    graphql: {
      rules: { current: () => noRules, doubt: () => fate.doubt },
      tags: {
        list: () => {
          const tags = Array.from({ length: 40 }, (_, index) => `v${index}`).filter(isTag);
          return or(fate.list, { state: 'known', tags } as const);
        },
        lookUp: () => Promise.resolve(fate.lookUp()),
      },
      hasIntrospection: false,
    },
  });
  const server = await adminServer(() => ({ isDraining: false, needed: {}, noted: {} }), api);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { fate, logs, ask: (query) => askGraphql(url, query) };
}

const tags = (fields: string) =>
  `{ containerRepository(id: "${repositoryId('a/app')}") { tags(first: 40) { nodes { ${fields} } } } }`;
const mutation =
  'mutation { createContainerProtectionTagRule(input: { projectPath: "a", tagNamePattern: "x" }) { errors } }';

t.test('a fault of ours is logged, and nothing of it is told', async (t) => {
  const { fate, logs, ask } = await startFailing(t);
  fate.list = new Error('ECONNREFUSED redis.internal:6379');
  const listed = await ask(tags('name'));
  t.strictSame([listed.status, listed.messages], [200, ['Internal server error']]);
  t.notMatch(listed.body, /ECONN|redis|stack|\.ts/);
  fate.managed = new Error('EACCES /srv/rules.yaml');
  const changed = await ask(mutation);
  t.strictSame(changed.data, { createContainerProtectionTagRule: null });
  t.strictSame(changed.messages, ['Internal server error']);
  t.match(logs, [/ECONNREFUSED redis\.internal/, /EACCES/]);
  t.equal(logs.length, 2);
});

t.test('a store that is away is told, as is a rule that another has deleted meanwhile', async (t) => {
  const { fate, logs, ask } = await startFailing(t);
  fate.managed = new StoreAway('redis.internal did not answer');
  t.strictSame((await ask(mutation)).messages, [
    'What keeps the rules is away; look at the rules before you try again',
  ]);
  fate.managed = new NotManaged('project a has no rule 1');
  t.match((await ask(mutation)).messages, [/^The resource that you are attempting to access does not exist/]);
  t.same(logs, []);
});

t.test('where the rules in force are not known, no tag seems to be free', async (t) => {
  const { fate, ask } = await startFailing(t);
  t.strictSame((await ask(tags('protection { immutable }'))).messages, []);
  fate.doubt = 'Redis is away';
  const { messages } = await ask(tags('name protection { immutable }'));
  t.equal(messages.length, 40);
  t.equal(messages[0], 'The rules in force are not known: Redis is away');
});

t.test('an upstream that does not answer is not asked for each tag', async (t) => {
  const { fate, ask } = await startFailing(t);
  let asked = 0;
  fate.lookUp = () => {
    asked += 1;
    return { state: 'unknown', reason: 'it is away' };
  };
  const { messages } = await ask(tags('digest'));
  t.equal(messages.length, 40);
  t.equal(asked, 16);
});
