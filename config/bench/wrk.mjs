import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findProgram } from '../programs.mjs';

const run = promisify(execFile);
const unitMs = { us: 0.001, ms: 1, s: 1000 };

/** Requests as fast as they are answered, over so many connections. */
export async function loadOf(url, { connections, seconds, method = 'GET', headers = {}, script }) {
  const args = [
    ...['--threads', '1', '--connections', String(connections), '--duration', `${seconds}s`, '--latency'],
    ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
    ...(script ? ['--script', script] : []),
  ];
  const { stdout } = await run(findProgram('wrk'), [...args, url]);
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${method} ${url}: ${stdout}`);
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
