import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePrograms } from './debian.mjs';
import { findProgram, programEnvironment } from './programs.mjs';
import { CannotContinue, root, run, runScript, state } from './project.mjs';

// npm run test:fresh   the quick start of README.md, from a clean clone of what is committed, in a fresh Debian 13. Its
//                      root is made once (.tagwarden/fresh, 600 MB, a minute or two), and unpacked anew for each run.
await runScript(async () => {
  if (process.getuid?.() !== 0) throw new CannotContinue('A root of its own can be made by root alone.');
  const commands = quickStart();
  ensurePrograms('mmdebstrap', 'unshare', 'tar');
  const fresh = join(state, 'fresh');
  const debian = join(fresh, 'debian-13.tar');
  mkdirSync(fresh, { recursive: true });
  if (!existsSync(debian)) makeDebian(debian);
  // Not below the project, whose tools would look for sources in it.
  const place = mkdtempSync(join(tmpdir(), 'tagwarden-fresh-'));
  try {
    run('tar', ['--extract', '--numeric-owner', '--file', debian, '--directory', place], {
      why: 'Unpacking it',
    });
    run('git', ['clone', '--quiet', `file://${root}`, join(place, 'root/tagwarden')], { why: 'The clone' });
    copyFileSync(join(root, 'test/fresh/quick-start.sh'), join(place, 'quick-start.sh'));
    // Where a proxy opens TLS this machine trusts its authority, and what is in there must too.
    for (const file of ['etc/ssl/certs/ca-certificates.crt', 'etc/resolv.conf'])
      copyFileSync(join('/', file), join(place, file));
    const { stdout, status } = tryIt(place, commands, await portsToUse());
    process.stdout.write(stdout);
    const passed = stdout.split('\n').filter((line) => / after \d+ s$/.test(line)).length;
    console.log(`${passed} passed, ${status === 0 ? 0 : 1} failed`);
    if (status !== 0) process.exitCode = 1;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
});

/** The commands of README.md's quick start: the first block of a shell. */
function quickStart() {
  const [, block = ''] =
    /^## Try it$[\s\S]*?^```sh\n([\s\S]*?)^```/m.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  const commands = block.split('\n').flatMap((line) => line.replace(/ +#.*/, '') || []);
  if (commands.length === 2) return commands;
  throw new CannotContinue(
    `The quick start of README.md has ${commands.length} commands, and should have two.`,
  );
}

function makeDebian(archive) {
  console.error('Making a Debian 13 …');
  const args = ['--quiet', '--mode=root', '--variant=apt', '--include=nodejs,npm,git,ca-certificates'];
  // Nobody minds if a power cut spoils it. What it mounts is nobody else's, and gone should it be killed.
  const making = ['--dpkgopt=force-unsafe-io', '--format=tar', 'trixie', `${archive}.new`];
  const command = ['--mount', findProgram('mmdebstrap'), ...args, ...making];
  run(findProgram('unshare'), command, { env: programEnvironment, why: 'mmdebstrap' });
  renameSync(`${archive}.new`, archive);
}

/** Its own ports, unless somebody has them: the root is apart, the network is not. */
async function portsToUse() {
  if ((await isFree(8080)) && (await isFree(9090))) return [];
  console.error('127.0.0.1:8080 or :9090 is taken: other ports are used.');
  return ['TAGWARDEN_LISTEN=127.0.0.1:0', 'TAGWARDEN_ADMIN_LISTEN=127.0.0.1:0'];
}

function isFree(port) {
  const server = createServer();
  return new Promise((resolve) => {
    server
      .once('error', () => resolve(false))
      .listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** In namespaces of its own for mounts and processes: nothing of it is left when it ends. */
function tryIt(place, commands, ports) {
  const mounts = 'mount -t proc proc proc && mount --rbind /dev dev && mount -t tmpfs tmpfs tmp';
  const environment = [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOME=/root',
    'NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt',
    ...ports,
  ];
  const inside = ['env', '-i', ...environment, 'sh', '/quick-start.sh', ...commands];
  const args = [
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    'sh',
    '-c',
    `${mounts} && exec chroot . "$@"`,
    'sh',
  ];
  return spawnSync(findProgram('unshare'), [...args, ...inside], {
    cwd: place,
    stdio: ['ignore', 'pipe', 2],
    encoding: 'utf8',
    timeout: 30 * 60_000,
  });
}
