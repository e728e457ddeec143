import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { dev, gitlabRules, openBuiltin, service } from '../fixtures/builtin.ts';
import { temporaryDirectory } from '../fixtures/program.ts';

t.test('a push that is refused at the token is in the audit', async (t) => {
  const auditFile = join(temporaryDirectory(t), 'audit.jsonl');
  const { get } = await openBuiltin(t, gitlabRules, { config: `log:\n  audit_file: ${auditFile}\n` });
  const scope = encodeURIComponent('repository:flightjs/flight:push,pull');
  const answer = await get(`service=${service}&scope=${scope}`, [...dev, 'X-Request-Id', 'login-1']);
  t.equal(answer.status, 403);
  const text = readFileSync(auditFile, 'utf8');
  t.match(JSON.parse(text), {
    audit: 'denied',
    requestId: 'login-1',
    operation: 'token',
    repository: 'flightjs/flight',
    caller: 'dev',
    ruleIds: ['frozen'],
    rulesVersion: /^[0-9a-f]{12}/,
    status: 403,
    reason: /container protected/,
  });
  t.notMatch(text, /dev-password|Basic|scope=/);
  await get(`service=${service}&scope=${encodeURIComponent('repository:flightjs/flight:pull')}`, dev);
  t.equal(readFileSync(auditFile, 'utf8'), text, 'a pull is not');
});
