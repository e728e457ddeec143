import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram, programEnvironment } from './programs.mjs';

const readyWithinMs = 15_000;

/** The registry of the CNCF distribution project, if one is installed: other programs are called `registry` too. */
export function findDistribution() {
  return ['registry', 'docker-registry'].map((name) => findProgram(name)).find(isDistribution);
}

function isDistribution(program) {
  if (!program) return false;
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8', timeout: 5000 });
  return /\/distribution\b/.test(stdout ?? '');
}

/**
 * Starts distribution on a free loopback port, with its storage in a directory, and waits until it serves.
 * `onLine` gets each line of its log and of its access log; `auth` is what its configuration has under that name,
 * `tls` what it has under `http.tls`; `ended` says how it ended, also after `stop`. After `unref` it is no reason for this process to go on.
 */
export async function startDistribution(program, directory, { onLine = () => {}, auth, tls } = {}) {
  const child = spawnDistribution(program, directory, { auth, tls });
  return untilServing(child, program, (line) => /msg="listening on ([^",]+)/.exec(line)?.[1], onLine, {
    tls,
  });
}

/** Waits until a registry serves that was started; `addressIn` finds its address in a line of its log. */
export async function untilServing(child, program, addressIn, onLine, { tls } = {}) {
  const ended = new Promise((resolve) => {
    child
      .on('exit', (code, signal) => resolve(`exit code ${code ?? signal}`))
      .on('error', (error) => resolve(error.message));
  });
  const lastLines = [];
  const address = new Promise((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        const listening = addressIn(line);
        if (listening) resolve(listening);
        lastLines.push(line);
        if (lastLines.length > 10) lastLines.shift();
        onLine(line);
      });
    }
  });
  const failed = ended.then((how) => {
    throw new Error([`${program} ended (${how}) before it listened`, ...lastLines].join('\n'));
  });
  const url = `${tls ? 'https' : 'http'}://${await Promise.race([address, failed])}`;
  // Whom it trusts is not for us to know: it listens.
  if (!tls) await untilReady(url, failed);
  const unref = () => [child, child.stdout, child.stderr].forEach((handle) => handle.unref());
  return { url, ended, stop: () => child.kill(), unref };
}

function spawnDistribution(program, directory, { auth, tls }) {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, 'config.yml');
  const config = {
    version: 0.1,
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: directory }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0', ...(tls && { tls }) },
    ...(auth && { auth }),
  };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config));
  // Its settings can be overridden by variables of these names.
  const environment = Object.entries(programEnvironment).filter(([name]) => !/^(REGISTRY|OTEL)_/.test(name));
  return spawnRegistry([program, 'serve', file], {
    ...Object.fromEntries(environment),
    OTEL_TRACES_EXPORTER: 'none',
  });
}

export function spawnRegistry(command, env) {
  // Where there is setpriv, the kernel ends the registry even if this process is killed.
  const setpriv = findProgram('setpriv');
  const [program, ...args] = setpriv ? [setpriv, '--pdeathsig', 'TERM', ...command] : command;
  return spawn(program, args, {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A Ctrl-C is for this process, which then ends the registry in its turn.
    detached: true,
  });
}

/** Polls until the registry answers `GET /v2/`, be it with 401 because it wants credentials; `failed` rejects if it will never do so. */
export async function untilReady(url, failed) {
  const deadline = Date.now() + readyWithinMs;
  for (;;) {
    const answer = await Promise.race([fetch(`${url}/v2/`).catch(() => undefined), failed]);
    if (answer?.ok || answer?.status === 401) return;
    if (Date.now() > deadline)
      throw new Error(`The registry at ${url} did not answer GET /v2/ in ${readyWithinMs} ms`);
    await sleep(50);
  }
}
