import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { decodeJwt } from 'jose';
import { ask as askHttp, refusalOf } from '../../fixtures/ask.ts';
import { dev, usersText, passwords } from '../../fixtures/builtin.ts';
import { ask } from '../../fixtures/client.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { startGraphql, type Graphql } from '../../fixtures/graphql.ts';

const repository = 'gitlab-org/gitlab-test';
const authText = (directory: string): string =>
  `auth: { mode: builtin, users_file: ${directory}/users, signing_key_file: ${directory}/signing.key }\n`;

interface Scene extends Graphql {
  readonly turn: (enabled: boolean) => void;
  readonly token: () => Promise<string>;
  /** `tag_immutable_patterns` of a token for everything in the repository. */
  readonly patterns: () => Promise<unknown>;
}

async function start(t: Test): Promise<Scene> {
  const directory = t.testdir({ users: usersText(passwords) });
  const configOf = (enabled: boolean): string =>
    `${authText(directory)}immutability: { enabled: ${enabled} }\n`;
  const graphql = await startGraphql(t, { tags: { [repository]: ['sample'] }, config: configOf(true) });
  const { tagwarden } = graphql;
  const scope = `repository:${repository}:pull,push,delete`;
  const token = async (): Promise<string> => {
    const query = `service=container_registry&scope=${encodeURIComponent(scope)}`;
    const { body } = await ask(`${tagwarden.url}/jwt/auth?${query}`, { headers: dev });
    return (JSON.parse(body) as { token: string }).token;
  };
  return {
    ...graphql,
    token,
    turn: (enabled) => {
      writeFileSync(join(dirname(tagwarden.rulesFile), 'tagwarden.yaml'), configOf(enabled));
    },
    patterns: async () => {
      const { access } = decodeJwt<{ access: { meta: Record<string, unknown> }[] }>(await token());
      return access[0]?.meta['tag_immutable_patterns'];
    },
  };
}

t.test("GitLab's walk-through of immutable tags, B.1 and B.2: what a token carries", async (t) => {
  const scene = await start(t);
  t.equal(await scene.patterns(), undefined, 'no rules');
  const { messages } = await scene.ask(`mutation { createContainerProtectionTagRule(input: {
    projectPath: "${repository}", tagNamePattern: "sample"
  }) { errors } }`);
  t.strictSame(messages, []);
  t.strictSame(await scene.patterns(), ['sample'], 'B.1: at once');
  scene.turn(false);
  await eventually('B.2: off, and nothing is left of it', async () => (await scene.patterns()) === undefined);
  scene.turn(true);
  await eventually('on again', async () => JSON.stringify(await scene.patterns()) === '["sample"]');
});

t.test('a rule that was made by GraphQL bites at the next push', async (t) => {
  const scene = await start(t);
  const push = async (): Promise<string> => {
    const headers = ['Authorization', `Bearer ${await scene.token()}`];
    const url = `${scene.tagwarden.url}/v2/${repository}/manifests/sample`;
    return refusalOf(await askHttp(url, { method: 'PUT', headers, body: Buffer.from('{}') }));
  };
  t.notMatch(await push(), /DENIED/, 'nothing forbids it yet');
  await scene.ask(`mutation { createContainerProtectionTagRule(input: {
    projectPath: "${repository}", tagNamePattern: "sample"
  }) { errors } }`);
  t.match(await push(), /^403 DENIED: tag is immutable; gitlab-org\/gitlab-test:sample is sha256:/);
});
