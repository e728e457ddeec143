import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startDistribution } from '../local-registry.mjs';
import { findProgram, programEnvironment } from '../programs.mjs';
import { root } from '../project.mjs';
import { familyOf } from './process-usage.mjs';

/** Runs `use` with a folder, and ends afterwards what it began: the last first. */
export async function withEnds(use) {
  const directory = mkdtempSync(join(tmpdir(), 'tagwarden-bench-'));
  const ends = [() => rmSync(directory, { recursive: true, force: true })];
  try {
    return await use(directory, (end) => ends.push(end));
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

/** A real registry, its storage in the folder. */
export async function startRegistry(directory, onEnd, program = findProgram('docker-registry')) {
  const { url, stop, ended } = await startDistribution(program, join(directory, 'registry'));
  onEnd(async () => {
    stop();
    await ended;
  });
  return { name: 'direct', url };
}

/** As operators run it: a process of its own, from what was built. */
export async function startTagwarden(directory, onEnd, upstream, { name = 'Tagwarden', rules, flags = [] }) {
  const own = join(directory, name.replaceAll(/\W/g, '-'));
  mkdirSync(own);
  writeFileSync(join(own, 'rules.yaml'), rules);
  const addresses = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'];
  const args = ['serve', '--upstream', upstream, ...addresses, ...flags];
  const ownRules = flags.includes('--redis') ? ['--rules-publish', 'true'] : [];
  const child = spawn(
    process.execPath,
    [join(root, 'dist/main.js'), ...args, '--rules', join(own, 'rules.yaml'), ...ownRules],
    // As in Dockerfile.
    { cwd: own, stdio: ['ignore', 'pipe', 2], env: { ...process.env, ...mallocEnvironment } },
  );
  onEnd(() => ended(child));
  return { name, pids: () => familyOf(child.pid), ...(await listening(child, name)) };
}

const mallocEnvironment = { MALLOC_TRIM_THRESHOLD_: '134217728', MALLOC_MMAP_THRESHOLD_: '4194304' };

async function listening(child, name) {
  for await (const line of createInterface({ input: child.stdout })) {
    const { msg, address, admin } = JSON.parse(line);
    if (msg !== 'listening') continue;
    child.stdout.resume();
    return { url: `http://${address}`, admin: `http://${admin}` };
  }
  throw new Error(`${name} ended before it listened`);
}

/** One worker, with what the registry's own recipe advises, and connections to the registry kept. */
export async function startNginx(directory, onEnd, upstream) {
  const own = join(directory, 'nginx');
  mkdirSync(own);
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    join(own, 'nginx.conf'),
    `${process.getuid?.() === 0 ? 'user root;' : ''}
    daemon off; master_process off; worker_processes 1; pid ${join(own, 'pid')};
    events { worker_connections 1024; }
    http {
      access_log off;
      keepalive_requests 1000000000;
      ${temporary.map((kind) => `${kind}_temp_path ${join(own, kind)};`).join(' ')}
      upstream registry { server ${new URL(upstream).host}; keepalive 64; keepalive_requests 1000000000; }
      server {
        listen 127.0.0.1:${port};
        client_max_body_size 0;
        chunked_transfer_encoding on;
        location / {
          proxy_pass http://registry;
          proxy_http_version 1.1;
          proxy_set_header Connection "";
          proxy_set_header Host $http_host;
          proxy_set_header X-Real-IP $remote_addr;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          proxy_set_header X-Forwarded-Proto $scheme;
          proxy_read_timeout 900;
          proxy_request_buffering off;
        }
      }
    }`,
  );
  const args = ['-p', own, '-e', 'stderr', '-c', join(own, 'nginx.conf')];
  const child = spawn(findProgram('nginx'), args, {
    stdio: ['ignore', 'ignore', 2],
    env: programEnvironment,
  });
  onEnd(() => ended(child));
  return untilServing({ name: 'nginx', url: `http://127.0.0.1:${port}`, pids: () => familyOf(child.pid) });
}

/** What most people would write in Node. */
export async function startHttpProxy(onEnd, upstream) {
  const port = await freePort();
  const program = fileURLToPath(new URL('http-proxy-peer.mjs', import.meta.url));
  const child = spawn(process.execPath, [program, upstream, String(port)], {
    stdio: ['ignore', 'ignore', 2],
  });
  onEnd(() => ended(child));
  return untilServing({
    name: 'http-proxy',
    url: `http://127.0.0.1:${port}`,
    pids: () => familyOf(child.pid),
  });
}

export async function startRedis(directory, onEnd) {
  const port = await freePort();
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    directory,
  ];
  const child = spawn(findProgram('redis-server'), args, {
    stdio: ['ignore', 'ignore', 2],
    env: programEnvironment,
  });
  onEnd(() => ended(child));
  const isOpen = () =>
    fetch(`http://127.0.0.1:${port}/`).catch((error) => error.cause?.code !== 'ECONNREFUSED');
  while (!(await isOpen())) await sleep(20);
  return `redis://127.0.0.1:${port}`;
}

async function untilServing(door) {
  const endMs = performance.now() + 15_000;
  for (;;) {
    const answer = await fetch(`${door.url}/v2/`).catch(() => undefined);
    if (answer?.ok) return door;
    if (performance.now() > endMs) throw new Error(`${door.name} does not serve`);
    await sleep(20);
  }
}

function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return undefined;
  child.kill();
  return new Promise((resolve) => child.once('exit', resolve));
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
