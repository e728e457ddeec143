import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ScanProgress } from '../../src/app/scan-progress.ts';
import { scan } from '../../src/app/scan.ts';
import { readScanArguments } from '../../src/config/scan-arguments.ts';
import { immutable } from '../fixtures/rules-file.ts';
import { runScan, Written } from '../fixtures/scan.ts';
import { startUpstream } from '../fixtures/upstream.ts';

const signal = new AbortController().signal;

t.test('arguments: flags as everywhere, and repositories', (t) => {
  const { isJson, repositories, flags, errors } = readScanArguments([
    ...['a/one', '--upstream', 'http://r', '--json', '--rules=x.yaml', 'a/two', 'a/one', '--log-level'],
  ]);
  t.same({ isJson, repositories, errors }, { isJson: true, repositories: ['a/one', 'a/two'], errors: [] });
  t.same(flags, ['--upstream', 'http://r', '--rules=x.yaml', '--log-level']);
  t.match(readScanArguments(['a/one:v1', '--json=yes']).errors, [
    'argument "a/one:v1": is no repository; write it as flightjs/flight, without host and tag',
    'flag --json: takes no value; leave it out for a table',
  ]);
  t.end();
});

t.test('every error is told at once, with exit code 1', async (t) => {
  const [out, err] = [new Written(), new Written()];
  const argv = ['A/B', '--uptsream', 'http://127.0.0.1:5000', '--claims-ttl-seconds', 'x'];
  t.equal(await scan({ argv, env: {}, cwd: t.testdir(), out, err, signal }), 1);
  t.equal(out.text, '');
  for (const error of [
    /^tagwarden: argument "A\/B": is no repository/m,
    /^tagwarden: flag --uptsream: unknown; did you mean --upstream\?/m,
    /^tagwarden: flag --claims-ttl-seconds: /m,
    /^tagwarden: upstream.url: is required/m,
    /^tagwarden: rules.file: is required/m,
  ]) {
    t.match(err.text, error);
  }
});

t.test('rules that are wrong are told as by check', async (t) => {
  const rules = 'tag_rules:\n  - { tag_name_pattern: "(", immutable: true }\n  - { nothing: 1 }\n';
  const { exitCode, err, rulesFile, out } = await runScan(t, { upstream: 'http://127.0.0.1:9', rules });
  t.equal(exitCode, 1);
  t.equal(out, '');
  t.ok(err.text.startsWith(`tagwarden: ${rulesFile}:2:`));
  t.match(err.text, `tagwarden: ${rulesFile}:3:`);
});

t.test('with redis.url the rules are those of the file', async (t) => {
  const { url } = await startUpstream(t, (req, res) => {
    res.end(JSON.stringify(req.url === '/v2/_catalog' ? { repositories: [] } : {}));
  });
  // Nobody listens there.
  const config = 'redis: { url: "redis://127.0.0.1:9" }\n';
  const { exitCode, err } = await runScan(t, { upstream: url, rules: immutable('^v'), config });
  t.equal(err.text, '');
  t.equal(exitCode, 0);

  const cwd = t.testdir();
  writeFileSync(join(cwd, 'tagwarden.yaml'), config);
  const without = new Written();
  const argv = ['--config', 'tagwarden.yaml', '--upstream', url];
  t.equal(await scan({ argv, env: {}, cwd, out: new Written(), err: without, signal }), 1);
  t.match(
    without.text,
    'rules.file: is required: Redis is not asked for rules; give --rules, TAGWARDEN_RULES',
  );
});

t.test('the bar of progress', (t) => {
  let nowMs = 0;
  const clock = { nowMs: () => nowMs };
  const terminal = new Written(true);
  const progress = new ScanProgress(terminal, clock, 4);
  for (let tag = 0; tag < 1000; tag++) progress.tagDone();
  t.equal(terminal.writes.length, 1, 'it is not drawn for every tag');
  nowMs = 100;
  progress.tagDone();
  t.equal(terminal.writes.at(-1), '\r\x1b[2K[------------------------] 0/4 repositories, 1001 tags');
  progress.repositoryDone();
  t.equal(terminal.writes.at(-1), '\r\x1b[2K[######------------------] 1/4 repositories, 1001 tags');
  progress.clear();
  t.equal(terminal.writes.at(-1), '\r\x1b[2K');
  progress.end();
  progress.repositoryDone();
  t.equal(terminal.writes.at(-1), '\r\x1b[2K', 'after the end it is drawn no more');

  const narrow = {
    isTTY: true,
    columns: 20,
    writes: [] as string[],
    write: (text: string) => narrow.writes.push(text),
  };
  new ScanProgress(narrow, clock, 4).repositoryDone();
  t.equal(narrow.writes.at(-1), '\r\x1b[2K[######------------', 'it does not wrap');

  const file = new Written();
  const silent = new ScanProgress(file, clock, 4);
  silent.tagDone();
  silent.repositoryDone();
  silent.clear();
  t.same(file.writes, [], 'what is no terminal gets nothing');
  t.end();
});
