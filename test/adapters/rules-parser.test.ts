import t from 'tap';
import { parseRulesAside } from '../../src/adapters/rules-parser.ts';
import { fingerprintOf } from '../../src/adapters/rules-snapshot.ts';
import { parseRules } from '../../src/config/rules.ts';
import { immutable } from '../fixtures/rules-file.ts';

const long = immutable(...Array.from({ length: 4_000 }, (_, index) => `^v${index}\\.x`));

t.test('a long text is read beside us, and comes out as it would here', async (t) => {
  let turns = 0;
  const turning = setInterval(() => (turns += 1), 1);
  const [aside, broken] = await Promise.all([
    parseRulesAside(long),
    parseRulesAside(`${long}  - immutable: [\n`),
  ]);
  clearInterval(turning);
  t.ok(turns > 2, 'requests are served meanwhile');

  const here = parseRules(long);
  if ('errors' in here || 'errors' in aside) return t.fail('it is good');
  t.equal(aside.rules.version, here.rules.version);
  t.equal(fingerprintOf(aside.rules), fingerprintOf(here.rules));
  t.equal(aside.rules.tagRules[7]?.tags.matches('v7.x'), true);
  t.equal(aside.rules.tagRules[7]?.tags.matches('v8.x'), false);
  t.same(broken, parseRules(`${long}  - immutable: [\n`), 'with every error, each at its place');
});

t.test('a short one is read here', async (t) => {
  t.same(await parseRulesAside('tag_rules: [x]\n'), parseRules('tag_rules: [x]\n'));
});
