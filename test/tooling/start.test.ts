import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { startCommand } from '../fixtures/start.ts';

const script = ['node', 'config/start.mjs'] as const;

t.test('npm start finds a registry, serves, says what to try, and ends with code 0 on SIGTERM', async (t) => {
  const started = await startCommand(t, 'npm', 'start', '--');
  t.equal((await fetch(`${started.url}/v2/`)).status, 200);
  const address = new URL(started.url).host;
  t.match(started.said(), `docker push ${address}/flightjs/flight:v1.0`);
  t.match(started.said(), 'denied: tag is immutable; flightjs/flight:v1.0 is sha256:');

  process.kill(started.pid, 'SIGTERM');
  t.equal(await started.ended, 0);
  t.ok(await isGone(started.url), 'the server has ended');
  t.ok(await isGone(started.upstreamUrl), 'the registry has ended');
});

t.test('a second start installs nothing, builds nothing, and is ready within a second', async (t) => {
  const times: number[] = [];
  // Other tests run on the same cores: one start that is not disturbed is enough, in ten.
  while (times.length < 10 && !times.some((ms) => ms < 1000)) {
    const started = await startCommand(t, ...script);
    t.notMatch(started.said(), /Installing|Building/);
    times.push(started.readyMs);
    process.kill(started.pid, 'SIGTERM');
    t.equal(await started.ended, 0);
  }
  t.ok(Math.min(...times) < 1000, `ready after ${times.map(Math.round).join(', ')} ms`);
});

t.test('without its registry the server reports that and ends', async (t) => {
  const started = await startCommand(t, ...script);
  process.kill(childOf(started.pid), 'SIGKILL');
  t.equal(await started.ended, 1);
  t.match(started.said(), /The registry behind Tagwarden has ended \(.*SIGKILL\)/);
});

t.test('a server that is killed leaves no registry behind', async (t) => {
  const started = await startCommand(t, ...script);
  process.kill(started.pid, 'SIGKILL');
  await started.ended;
  t.ok(await isGone(started.upstreamUrl));
});

t.test('an upstream that is given is used, and no registry is started', async (t) => {
  const started = await startCommand(t, ...script, '--upstream=http://127.0.0.1:9');
  t.equal(started.upstreamUrl.replace(/\/$/, ''), 'http://127.0.0.1:9');
  t.throws(() => childOf(started.pid));
});

function childOf(pid: number): number {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  if (!child) throw new Error(`process ${pid} has no child`);
  return Number(child);
}

async function isGone(url: string): Promise<boolean> {
  for (let attempt = 0; attempt < 40; attempt++) {
    if (
      await fetch(`${url}/v2/`).then(
        () => false,
        () => true,
      )
    )
      return true;
    await sleep(50);
  }
  return false;
}
