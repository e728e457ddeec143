import { setTimeout as sleep } from 'node:timers/promises';
import { writeFileSync } from 'node:fs';
import t from 'tap';
import { ask, refusalOf } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { digest, manifest, startFront, uploads } from '../fixtures/front.ts';
import type { Script } from '../fixtures/upstream.ts';
import { logged, rulesElsewhere } from '../fixtures/tagwarden.ts';

/** The tag is there, and points to another manifest than any that is pushed. */
const existing: Script = (req, res) => {
  if (req.method === 'HEAD') res.writeHead(200, { 'Docker-Content-Digest': digest }).end();
  else req.on('end', () => res.writeHead(201, { 'Content-Length': 0 }).end()).resume();
};

const becomes: [what: string, rules: string, refusal: RegExp][] = [
  [
    'immutable',
    'tag_rules:\n  - { id: new, tag_name_pattern: ^v, immutable: true }\n',
    /tag is immutable; .* \(rule new\)/,
  ],
  [
    'protected',
    'tag_rules:\n  - { id: new, tag_name_pattern: ^v, minimum_access_level_for_push: owner }\n',
    /tag protected; .* needs owner/,
  ],
];

for (const [what, rules, refusal] of becomes) {
  t.test(`a tag that becomes ${what} while its manifest is still being sent`, async (t) => {
    const { tagwarden, upstream, url } = await startFront(t, existing);
    let isInForce = false;
    const body = async function* (): AsyncIterable<Buffer> {
      yield Buffer.from('{');
      writeFileSync(tagwarden.rulesFile, rulesElsewhere + rules.replace('tag_rules:\n', ''));
      await eventually('the rule is in force', () => tagwarden.logs.some(({ tagRules }) => tagRules === 2));
      isInForce = true;
      await sleep(0);
      yield Buffer.from('}');
    };
    const answer = await ask(url + manifest, { method: 'PUT', body: body() });
    t.ok(isInForce);
    t.equal(answer.status, 403);
    t.match(refusalOf(answer), refusal);
    t.notOk(
      upstream.requests.some(({ method }) => method === 'PUT'),
      'nothing was sent',
    );
    const refused = await logged(tagwarden, ({ msg }) => msg === 'refused');
    const inForce = tagwarden.logs.findLast(({ msg }) => msg === 'rules in force');
    t.equal(refused['rulesVersion'], inForce?.['version'], 'the log names the rules that it was judged by');
    t.equal((await ask(url + uploads, { method: 'POST' })).status, 201);
  });
}
