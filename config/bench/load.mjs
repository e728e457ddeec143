import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../programs.mjs';

const run = promisify(execFile);
const unitMs = { us: 0.001, ms: 1, s: 1000 };

/** GET requests as fast as they are answered, over so many connections, for one path after the other. */
export async function loadOf(url, paths, { connections, seconds, headers = {} }) {
  const directory = mkdtempSync(join(tmpdir(), 'tagwarden-wrk-'));
  const script = join(directory, 'paths.lua');
  writeFileSync(script, inTurn(paths));
  try {
    return await wrk(url + paths[0], { connections, seconds, headers, script: paths.length > 1 && script });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Made once: wrk would make each anew, and be slower than what it measures. */
function inTurn(paths) {
  return `local requests, at = {}, 0
init = function()
${paths.map((path) => `  requests[#requests + 1] = wrk.format("GET", "${path}")`).join('\n')}
end
request = function()
  at = at % #requests + 1
  return requests[at]
end
`;
}

async function wrk(url, { connections, seconds, headers, script }) {
  const args = [
    ...(script ? ['--script', script] : []),
    ...['--threads', '1', '--connections', String(connections), '--duration', `${seconds}s`, '--latency'],
    ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
  ];
  const { stdout } = await run(findProgram('wrk'), [...args, url]);
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`GET ${url}: ${stdout}`);
  const percentile = (percent) => {
    const [, value, unit] = new RegExp(`^ +${percent}% +([\\d.]+)(us|ms|s)$`, 'm').exec(stdout);
    return Number(value) * unitMs[unit];
  };
  const requests = Number(/(\d+) requests in/.exec(stdout)[1]);
  return {
    perSecond: Number(/^Requests\/sec: +([\d.]+)$/m.exec(stdout)[1]),
    p50Ms: percentile(50),
    p99Ms: percentile(99),
    requests,
  };
}

/** The same with HEAD, after which wrk would wait for a body. */
export async function headLoadOf(url, [path], { connections, seconds, headers = {} }) {
  const directory = mkdtempSync(join(tmpdir(), 'tagwarden-ab-'));
  const percentiles = join(directory, 'percentiles.csv');
  const args = [
    ...[
      '-q',
      '-i',
      '-k',
      '-r',
      '-c',
      String(connections),
      '-t',
      String(seconds),
      '-n',
      '10000000',
      '-e',
      percentiles,
    ],
    ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
  ];
  try {
    const { stdout } = await run(findProgram('ab'), [...args, url + path]);
    if (/^(?:Non-2xx|Failed).*[1-9]/m.test(stdout)) throw new Error(`HEAD ${url}${path}: ${stdout}`);
    const csv = readFileSync(percentiles, 'utf8');
    const percentile = (percent) => Number(new RegExp(`^${percent},([\\d.]+)$`, 'm').exec(csv)[1]);
    return {
      perSecond: Number(/^Requests per second: +([\d.]+)/m.exec(stdout)[1]),
      p50Ms: percentile(50),
      p99Ms: percentile(99),
      requests: Number(/^Complete requests: +(\d+)/m.exec(stdout)[1]),
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
