import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { ask } from '../fixtures/ask.ts';
import { dev, gitlabRules, openBuiltin, service } from '../fixtures/builtin.ts';
import { eventually } from '../fixtures/eventually.ts';
import { askApi, startTagwardenOfApi } from '../fixtures/management-api.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { projectRoot } from '../fixtures/start.ts';
import { rulesElsewhere } from '../fixtures/tagwarden.ts';

t.test('a push that is refused at the token is in the audit', async (t) => {
  const auditFile = join(temporaryDirectory(t), 'audit.jsonl');
  const { get } = await openBuiltin(t, gitlabRules, { config: `log:\n  audit_file: ${auditFile}\n` });
  const scope = encodeURIComponent('repository:flightjs/flight:push,pull');
  const answer = await get(`service=${service}&scope=${scope}`, [...dev, 'X-Request-Id', 'login-1']);
  t.equal(answer.status, 403);
  const text = await textOf(auditFile);
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

t.test(
  'a change of a rule is in the audit: who made it, what it was and is, and that it is in force',
  async (t) => {
    const auditFile = join(temporaryDirectory(t), 'audit.jsonl');
    const { adminUrl } = await startTagwardenOfApi(t, {
      ...{ upstream: 'http://127.0.0.1:9', rules: rulesElsewhere },
      flags: ['--log-audit-file', auditFile],
    });
    const path = 'flightjs/registry/protection/tag/rules';
    const json = { tag_name_pattern: '^v', immutable: true };
    t.equal((await askApi(adminUrl, { method: 'POST', path, as: 'root', json })).status, 201);
    t.equal((await askApi(adminUrl, { method: 'DELETE', path: `${path}/1`, as: 'root' })).status, 204);
    const shown = { id: 1, tag_name_pattern: '^v', immutable: true };
    const who = { caller: 'root', address: '127.0.0.1', kind: 'tag' };
    const said = ['managed-1: immutable ^v in flightjs{,/*}'];
    t.match(linesOf(readFileSync(auditFile, 'utf8')), [
      { audit: 'rules', added: said, removed: [] },
      { audit: 'rule', action: 'create', ...who, after: shown },
      { audit: 'rules', added: [], removed: said },
      { audit: 'rule', action: 'delete', ...who, before: shown },
    ]);
  },
);

t.test('to standard output', async (t) => {
  const directory = temporaryDirectory(t);
  const rulesFile = join(directory, 'rules.yaml');
  writeFileSync(
    rulesFile,
    'tag_rules:\n  - { id: o, tag_name_pattern: ^v, minimum_access_level_for_push: owner }\n',
  );
  const flags = ['--upstream', 'http://127.0.0.1:9', '--rules', rulesFile, '--log-audit-file', '-'];
  const listening = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'];
  const main = join(projectRoot, 'src/main.ts');
  const child = spawn(process.execPath, [...process.execArgv, main, 'serve', ...flags, ...listening], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill());
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line) as Record<string, unknown>;
    if (said['msg'] === 'listening') {
      const url = `http://${String(said['address'])}/v2/a/manifests/v1`;
      const answer = await ask(url, { method: 'PUT', body: Buffer.from('{}') });
      t.equal(answer.status, 403);
    }
    if (said['audit'] === undefined) continue;
    t.match(said, { audit: 'denied', ruleIds: ['o'], reference: 'v1', status: 403 });
    return;
  }
  t.fail('it ended without a line of the audit');
});

/** Once there is something: where workers serve a line is there a little later than its answer. */
async function textOf(file: string): Promise<string> {
  await eventually('it is in the audit', () => existsSync(file) && readFileSync(file, 'utf8') !== '');
  return readFileSync(file, 'utf8');
}

function linesOf(text: string): readonly unknown[] {
  const lines = text.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as unknown);
}
