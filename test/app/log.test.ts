import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';
import t, { type Test } from 'tap';
import { ask } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { asUser, requireProgram, temporaryDirectory } from '../fixtures/program.ts';
import { projectRoot } from '../fixtures/start.ts';
import { answerOci, startUpstream } from '../fixtures/upstream.ts';

interface Written {
  readonly url: string;
  readonly upstream: string;
  readonly lines: readonly string[];
  readonly ended: Promise<unknown>;
  readonly end: () => void;
}

/** Runs the built program as somebody at a terminal does, or with its output in a pipe. */
async function run(t: Test, where: 'terminal' | 'pipe', ...flags: readonly string[]): Promise<Written> {
  // Nothing is there: a look-up that cannot tell would be repeated for ten seconds.
  const upstream = await startUpstream(t, (req, res) => {
    const isLookUp = req.url === '/v2/a/manifests/v1' && (req.method === 'HEAD' || req.method === 'GET');
    if (isLookUp) answerOci(res, 404, 'MANIFEST_UNKNOWN');
    else res.end();
  });
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'rules.yaml'), 'tag_rules: [{ tag_name_pattern: ^v, immutable: true }]\n');
  const serve = [
    ...[process.execPath, join(projectRoot, 'dist/main.js'), 'serve', '--upstream', upstream.url],
    ...['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--rules', 'rules.yaml', ...flags],
  ];
  const command =
    where === 'pipe' ? serve : [requireProgram('script'), '-qefc', `exec ${serve.join(' ')}`, '/dev/null'];
  const child = spawn(...asUser(command), {
    cwd: directory,
    env: { PATH: process.env['PATH'] },
    // What is typed at the terminal.
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  t.teardown(() => {
    child.kill();
    return ended;
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const addressIn = (line: string): string | undefined =>
    /address(?:":"|=\S*?)(127[\d.]+:\d+)/.exec(bare(line))?.[1];
  await eventually('it listens', () => lines.some((line) => line.includes('listening')), 20_000);
  const url = `http://${lines.map(addressIn).find((address) => address !== undefined) ?? ''}`;
  const end = (): void => void child.stdin.write('\u0003');
  return { url, upstream: upstream.url, lines, ended, end };
}

/** Without colours. */
function bare(line: string): string {
  return stripVTControlCharacters(line).trimEnd();
}

const text = /^\d{4}-\d\d-\d\dT[\d:.]+Z (?:DEBUG|INFO |WARN |ERROR) \S/;

t.test('on a terminal: text, in colours, until Ctrl-C', async (t) => {
  const { url, lines, ended, end, upstream } = await run(t, 'terminal', '--log-level', 'debug');
  await ask(`${url}/v2/`, { headers: ['X-Request-Id', 'at-the-terminal'] });
  await eventually('it is there', () => lines.some((line) => line.includes('at-the-terminal')));
  t.ok(lines.some((line) => line.includes('\u001b[32mINFO ')));
  for (const line of lines) t.match(bare(line), text);
  t.match(
    bare(lines.find((line) => line.includes('listening')) ?? ''),
    `INFO  listening address=${url.slice(7)}`,
  );
  t.match(lines.map(bare).join('\n'), `upstream=${upstream}\n`);
  end();
  await ended;
  t.match(bare(lines.at(-1) ?? ''), /INFO {2}closed$/, 'the last line is not lost');
});

t.test('on a terminal, with workers: the same from all of them, with the process that says it', async (t) => {
  const { url, lines } = await run(t, 'terminal', '--workers', '2', '--log-level', 'debug');
  await ask(`${url}/v2/`, { headers: ['X-Request-Id', 'by-a-worker'] });
  const isIt = (line: string): boolean => line.includes('by-a-worker');
  await eventually('it is there', () => lines.some(isIt));
  const pidOf = (line = ''): string => / pid=(\d+) /.exec(bare(line))?.[1] ?? '';
  t.match(pidOf(lines.find(isIt)), /^\d+$/);
  t.not(pidOf(lines.find(isIt)), pidOf(lines.find((line) => line.includes('listening'))));
  for (const line of lines) t.match(bare(line), text);
});

t.test('elsewhere: JSON, unless it is said otherwise', async (t) => {
  for (const line of (await run(t, 'pipe')).lines) t.match(JSON.parse(line), { level: 30, msg: /./ });
  for (const line of (await run(t, 'terminal', '--log-format', 'json')).lines)
    t.match(JSON.parse(line), { level: 30, msg: /./ });
  for (const line of (await run(t, 'pipe', '--log-format', 'text', '--workers', '2')).lines)
    t.match(line, text, 'and no colours');
});

t.test('no secret is in any line, at the lowest level and in either form', async (t) => {
  const password = 'a-password-of-somebody';
  const credentials = Buffer.from(`dev:${password}`).toString('base64');
  const secrets = [password, credentials, 'opaque-bearer-token', 'token-in-a-query', 'state-of-an-upload'];
  for (const format of ['json', 'text']) {
    const { url, lines } = await run(t, 'pipe', '--log-level', 'trace', '--log-format', format);
    const uploads = `${url}/v2/a/blobs/uploads/`;
    for (const value of [`Basic ${credentials}`, 'Bearer opaque-bearer-token']) {
      const headers = ['Authorization', value, 'Cookie', 's=opaque-bearer-token'];
      await ask(`${url}/v2/a/manifests/latest?token=token-in-a-query`, { headers });
      await ask(`${url}/v2/a/manifests/v1?token=token-in-a-query`, {
        method: 'PUT',
        headers,
        body: Buffer.from(password),
      });
      await ask(`${url}/v2/a/manifests/v1`, { method: 'DELETE', headers });
      await ask(`${uploads}u?_state=state-of-an-upload`, {
        method: 'PATCH',
        headers,
        body: Buffer.from(password),
      });
      await ask(`${uploads}u?_state=state-of-an-upload;`, { method: 'PUT', headers });
      await ask(`${url}/elsewhere?token=token-in-a-query`, { headers });
      await ask(`${url}/v2/%61?token=token-in-a-query`, { headers });
    }
    const last = ['X-Request-Id', 'the-last-one'];
    await ask(`${url}/v2/`, { headers: last });
    await eventually('all is written', () => lines.some((line) => line.includes('the-last-one')));
    t.ok(lines.length > 15, `${lines.length} lines`);
    t.strictSame(
      lines.filter((line) => secrets.some((secret) => line.includes(secret))),
      [],
    );
  }
});
