import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openSigningKey } from '../../src/adapters/token/signing-key.ts';
import { expectOk, imageOf, pushImage } from '../fixtures/image.ts';
import { eventually } from '../fixtures/eventually.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { distribution2, startRegistry } from '../fixtures/registry.ts';
import { immutable } from '../fixtures/rules-file.ts';
import { readRepository, readScan, runScan } from '../fixtures/scan.ts';
import { projectRoot } from '../fixtures/start.ts';
import { startUpstream } from '../fixtures/upstream.ts';

const rules = immutable('^v');

interface Running {
  readonly pid: number;
  readonly ended: Promise<{ readonly exitCode: number | null; readonly out: string; readonly err: string }>;
}

/** `tagwarden …` as a process. */
function tagwarden(t: Test, ...args: readonly string[]): Running {
  // The loader of TypeScript is that of this test.
  const child = spawn(process.execPath, [...process.execArgv, join(projectRoot, 'src/main.ts'), ...args], {
    cwd: t.testdir({ 'rules.yaml': rules }),
  });
  t.teardown(() => child.kill('SIGKILL'));
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { pid: child.pid ?? 0, ended: ended.then((exitCode) => ({ exitCode, out, err })) };
}

t.test('tagwarden scan', async (t) => {
  const { url } = await startRegistry(t);
  const image = imageOf('release');
  await expectOk(await pushImage(url, 'team/app', 'v1', image));
  const { exitCode, out, err } = await tagwarden(
    t,
    'scan',
    '--upstream',
    url,
    '--rules',
    'rules.yaml',
    '--json',
  ).ended;
  t.equal(exitCode, 0);
  t.equal(err, '', 'nothing is on standard error, which is no terminal');
  t.match(readRepository(readScan(out), 'team/app'), {
    tags: [{ tag: 'v1', digest: image.descriptor.digest }],
    unprotected: { manifests: [], blobs: [] },
  });

  const help = await tagwarden(t, 'scan', '--help').ended;
  t.equal(help.exitCode, 0);
  t.match(help.out, /tagwarden scan \[--json\].*REPOSITORY…\]\n.*\n.*what no tag leads to cannot be listed/);
});

t.test('Ctrl-C ends it with a whole document, and exit code 130', async (t) => {
  const { url, requests } = await startUpstream(t, (req, res) => {
    const repositories = ['a/one', 'a/two'];
    if (req.url === '/v2/') res.end();
    if (req.url === '/v2/_catalog') res.end(JSON.stringify({ repositories }));
    if (req.url === '/v2/a/one/tags/list') res.end('{}');
    // The second one never answers.
  });
  const running = tagwarden(t, 'scan', '--upstream', url, '--rules', 'rules.yaml', '--json');
  await eventually('it waits', () => requests.some(({ target }) => target.startsWith('/v2/a/two/')), 30_000);
  process.kill(running.pid, 'SIGINT');
  const { exitCode, out, err } = await running.ended;
  t.equal(exitCode, 130);
  t.equal(err, '');
  t.equal(readScan(out).interrupted, true);
});

t.test('with auth.mode builtin the registry is shown our own tokens', async (t) => {
  const directory = temporaryDirectory(t);
  const keyFile = join(directory, 'signing.key');
  writeFileSync(join(directory, 'users'), '');
  const config = `auth: { mode: builtin, users_file: ${join(directory, 'users')}, signing_key_file: ${keyFile} }\n`;
  const early = await runScan(t, { upstream: 'http://127.0.0.1:9', rules, config });
  t.equal(early.exitCode, 1);
  t.match(early.err.text, `auth.signing_key_file: ${keyFile} is not there; tagwarden serve makes it`);
  t.notOk(existsSync(keyFile), 'a scan makes none');

  await openSigningKey(keyFile);
  const open = await startRegistry(t);
  await expectOk(await pushImage(open.url, 'team/app', 'v1', imageOf('release')));
  await open.stop();
  const settings = { realm: 'http://127.0.0.1/jwt/auth', service: 'container_registry', issuer: 'tagwarden' };
  const auth = { token: { ...settings, ...distribution2.trust(keyFile) } };
  const { url } = await startRegistry(t, distribution2, auth, open.directory);
  const { exitCode, out } = await runScan(t, { upstream: url, rules, config, args: ['--json'] });
  t.equal(exitCode, 0);
  t.equal(readRepository(readScan(out), 'team/app').tags[0]?.immutable.length, 1);
});
