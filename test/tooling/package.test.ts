import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { imageOf, pushImage } from '../fixtures/image.ts';
import { asUser, runProgram, temporaryDirectory, type Outcome } from '../fixtures/program.ts';
import { startRegistry } from '../fixtures/registry.ts';
import { projectRoot } from '../fixtures/start.ts';

const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--prefer-offline'];

/** A folder into which somebody has installed the package, as `npm install tagwarden` would. */
async function install(t: Test): Promise<{ readonly folder: string; readonly package: string }> {
  const directory = temporaryDirectory(t);
  const packed = await runProgram('npm', ['pack', '--silent', '--pack-destination', directory], {
    cwd: projectRoot,
  });
  t.equal(packed.exitCode, 0, packed.output);
  const [tarball = ''] = readdirSync(directory).filter((name) => name.endsWith('.tgz'));
  const folder = join(directory, 'empty');
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const installed = await runProgram('npm', ['install', ...quiet, join(directory, tarball)], { cwd: folder });
  t.equal(installed.exitCode, 0, installed.output);
  return { folder, package: join(folder, 'node_modules/tagwarden') };
}

t.test('npm pack gives what runs with npx tagwarden, and nothing else', async (t) => {
  const { folder, package: packed } = await install(t);
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  const files = readdirSync(packed, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(packed, name)).isFile(),
  );
  const expected =
    /^(?:dist\/.+\.js|config\/[\w.-]+\.(?:yaml|json)|README\.md|LICENSE|CHANGELOG\.md|package\.json)$/;
  t.strictSame(
    files.filter((name) => !expected.test(name)),
    [],
  );
  const sources = readdirSync(join(projectRoot, 'src'), { recursive: true, encoding: 'utf8' });
  const built = sources
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `dist/${name.replace(/ts$/, 'js')}`);
  t.strictSame(
    files.filter((name) => name.startsWith('dist/')).sort(),
    built.sort(),
    'all that is built, and as it is now',
  );
  t.match(readFileSync(join(packed, 'dist/main.js'), 'utf8'), /^#!\/usr\/bin\/env node\n/);

  const npx = (...args: readonly string[]): Promise<Outcome> =>
    runProgram('npx', ['--no-install', 'tagwarden', ...args], { cwd: folder });
  t.match(await npx('--version'), { exitCode: 0, lastLine: version });
  writeFileSync(
    join(folder, 'rules.yaml'),
    'tag_rules:\n  - { id: releases, tag_name_pattern: ^v, immutable: true }\n',
  );
  const registry = await startRegistry(t);
  const flags = ['--upstream', registry.url, '--rules', 'rules.yaml'];
  t.match(await npx('check', ...flags), { exitCode: 0, lastLine: /are good$/ });
  const url = await serve(t, folder, flags);
  t.equal((await pushImage(url, 'a/b', 'v1', imageOf('first'))).status, 201);
  const again = await pushImage(url, 'a/b', 'v1', imageOf('second'));
  t.equal(again.status, 403);
  t.match(await again.text(), 'tag is immutable');
});

/** `npx tagwarden serve`; its address, once it listens. */
async function serve(t: Test, cwd: string, flags: readonly string[]): Promise<string> {
  const free = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'];
  const child = spawn(...asUser(['npx', '--no-install', 'tagwarden', 'serve', ...flags, ...free]), {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  t.teardown(async () => {
    // npx passes no signal on to what it runs in every version.
    process.kill(-(child.pid ?? 0), 'SIGTERM');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes('"msg":"listening"'))
      return `http://${(JSON.parse(line) as { address: string }).address}`;
  }
  throw new Error('npx tagwarden serve has ended');
}
