import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { digestOfTag, startGraphql } from '../../fixtures/graphql.ts';

const document = readFileSync(join(import.meta.dirname, '../../../docs/api.md'), 'utf8');
const [, section = ''] = document.split('## GraphQL\n');

function blocks(language: string): readonly string[] {
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(
    ([, text = '']) => text,
  );
}

t.test('the document shows what is answered', async (t) => {
  const { ask } = await startGraphql(t, {
    tags: { 'flightjs/flight': ['v1', 'v2'] },
    roles: { terraform: ['read:flightjs', 'write:flightjs'] },
  });
  const [query = '', mutation = ''] = blocks('graphql');
  const [answer = ''] = blocks('json');
  const made = await ask(mutation, { as: 'terraform' });
  t.strictSame(JSON.parse(made.body), JSON.parse(answer));
  const [, id] = /`(gid:[^`]*%2F[^`]*)`/.exec(section) ?? [];
  const { data, messages } = await ask(query, { as: 'terraform', variables: { id } });
  t.strictSame(messages, []);
  const protection = { minimumAccessLevelForPush: null, minimumAccessLevelForDelete: null, immutable: true };
  t.match(data, {
    containerRepository: {
      tags: {
        nodes: [{ name: 'v1', digest: digestOfTag('v1'), protection }],
        pageInfo: { hasNextPage: false },
      },
    },
  });
});
