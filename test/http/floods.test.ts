import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { ask } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { asUser, temporaryDirectory } from '../fixtures/program.ts';
import { projectRoot, startCommand, type Started } from '../fixtures/start.ts';
import { rulesElsewhere } from '../fixtures/tagwarden.ts';
import { startUpstream } from '../fixtures/upstream.ts';

/** Tagwarden as it runs for its users. */
async function start(t: Test, upstream: string, flags: readonly string[]): Promise<Started> {
  const directory = temporaryDirectory(t);
  const rules = join(directory, 'rules.yaml');
  writeFileSync(rules, rulesElsewhere);
  const given = [
    '--upstream',
    upstream,
    '--rules',
    rules,
    '--claims-journal-file',
    join(directory, 'journal'),
  ];
  return startCommand(t, process.execPath, 'config/start.mjs', ...given, ...flags);
}

function residentMiB({ pid }: Started): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

function openFiles({ pid }: Started): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** As many as the machine lets one process have, with what both ends need besides. */
function mostConnections(wanted: number): number {
  const { stdout } = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' });
  const limit = stdout.trim() === 'unlimited' ? Infinity : Number(stdout);
  return Math.min(wanted, limit - 3_000);
}

interface Attack {
  readonly idle?: number;
  readonly heads?: number;
  readonly bodies?: number;
  readonly promises?: number;
  readonly floods?: number;
}

interface Attacking {
  /** As it was a tenth of a second ago. */
  opened: number;
  cut: number;
  /** All are cut, or it was stopped. */
  isOver: boolean;
  readonly stop: () => void;
}

function attack(
  t: Test,
  { url }: Started,
  { idle = 0, heads = 0, bodies = 0, promises = 0, floods = 0 }: Attack,
) {
  const counts = [new URL(url).port, idle, heads, bodies, promises, floods].map(String);
  const script = join(projectRoot, 'test/fixtures/attack.mjs');
  const child = spawn(...asUser([process.execPath, script, ...counts]), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const attacking: Attacking = { opened: 0, cut: 0, isOver: false, stop: () => void child.kill() };
  createInterface({ input: child.stdout }).on('line', (line) => {
    Object.assign(attacking, JSON.parse(line));
  });
  child.on('exit', () => (attacking.isOver = true));
  t.teardown(() => child.kill());
  return attacking;
}

/** Milliseconds that some requests took, one after the other, each on a connection of its own. */
async function latencies({ url }: Started, count: number): Promise<{ median: number; longest: number }> {
  const times: number[] = [];
  for (let turn = 0; turn < count; turn++) {
    const beganMs = performance.now();
    const { status } = await ask(`${url}/v2/`);
    if (status !== 200) throw new Error(`status ${status}`);
    times.push(performance.now() - beganMs);
  }
  times.sort((a, b) => a - b);
  return { median: times[Math.floor(count / 2)] ?? 0, longest: times.at(-1) ?? 0 };
}

type Measured = Awaited<ReturnType<typeof measure>>;

async function measure(door: Started) {
  return { ...(await latencies(door, 100)), memory: residentMiB(door) };
}

/** Whether others hardly notice what is going on. */
function expectService(t: Test, before: Measured, during: Measured, mostMiB: number): void {
  for (const [when, { median, longest, memory }] of Object.entries({ before, during }))
    t.comment(
      `${when}: median ${median.toFixed(1)} ms, longest ${longest.toFixed(0)} ms, ${memory.toFixed(0)} MiB`,
    );
  t.ok(during.median < Math.max(20 * before.median, 200), `${during.median} ms`);
  t.ok(during.memory - before.memory < mostMiB, `from ${before.memory} to ${during.memory} MiB`);
}

t.test('10,000 idle connections', async (t) => {
  const upstream = await startUpstream(t);
  const door = await start(t, upstream.url, []);
  const before = await measure(door);
  const idle = mostConnections(10_000);
  const attacking = attack(t, door, { idle });
  await eventually(`${idle} are open`, () => openFiles(door) > idle, 60_000);
  expectService(t, before, await measure(door), 200);
  attacking.stop();
  await eventually('every file is closed', () => openFiles(door) < 100, 10_000);
  t.comment(`with ${idle} connections, of which ${attacking.cut} were cut before that`);
});

t.test('a crowd of attackers is cut, and others are served meanwhile', async (t) => {
  const upstream = await startUpstream(t, (req, res) => {
    req.on('end', () => res.writeHead(200).end());
  });
  const door = await start(t, upstream.url, [
    ...['--limits-header-timeout-seconds', '3', '--limits-keep-alive-seconds', '3'],
    ...['--upstream-idle-timeout-seconds', '3', '--limits-body-bytes-per-second', '100'],
  ]);
  const before = await measure(door);
  const crowd = { idle: 500, heads: 300, bodies: 200, promises: 200, floods: 100 };
  const all = Object.values(crowd).reduce((sum, count) => sum + count, 0);
  const attacking = attack(t, door, crowd);
  await eventually('they attack', () => openFiles(door) > 300, 20_000);
  expectService(t, before, await measure(door), 100);
  // The slowest way: a body that stands still is told so after 3 s, and drained for 5.
  await eventually('all are cut', () => attacking.isOver, 30_000);
  t.same([attacking.opened, attacking.cut], [all, all]);
  await eventually('every file is closed', () => openFiles(door) < 100, 10_000);
});
