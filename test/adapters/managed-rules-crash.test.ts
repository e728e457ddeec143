import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { managedStateOf } from '../../src/core/managed-rules.ts';
import { eventually } from '../fixtures/eventually.ts';
import { managedOf } from '../fixtures/managed-rules.ts';
import { runProgram, temporaryDirectory } from '../fixtures/program.ts';
import { projectRoot } from '../fixtures/start.ts';

const writer = join(projectRoot, 'test/fixtures/managed-rules-writer.ts');

interface Running {
  readonly child: ChildProcess;
  /** What it has printed. */
  readonly lines: string[];
  readonly ended: Promise<unknown>;
}

function write(t: Test, path: string, count = 1_000_000): Running {
  // The loader of TypeScript is that of this test.
  const args = [...process.execArgv, writer, path, String(count)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return { child, lines, ended: once(child, 'close') };
}

/** Reads the file for as long as it is not told to stop: what it finds must always be good. */
function readOn(path: string) {
  const asked = new AbortController();
  const seen = { texts: new Set<string>(), last: 0 };
  const reading = (async () => {
    while (!asked.signal.aborted) {
      await sleep(1);
      if (!existsSync(path)) continue;
      const text = await readFile(path, 'utf8');
      if (seen.texts.has(text)) continue;
      const { nextNumber, tagRules } = managedStateOf(managedOf(text));
      seen.texts.add(text);
      if (nextNumber <= seen.last) throw new Error(`${nextNumber} after ${seen.last}`);
      if (tagRules.length !== Math.min(nextNumber - 1, 40))
        throw new Error(`${tagRules.length} rules:\n${text}`);
      seen.last = nextNumber;
    }
    return seen.texts.size;
  })();
  return () => {
    asked.abort();
    return reading;
  };
}

t.test(
  'killed again and again while it writes: the old rules or the new ones, and none that were told is lost',
  async (t) => {
    const path = join(temporaryDirectory(t), 'managed.yaml');
    const stop = readOn(path);
    let told = 0;
    for (let life = 0; life < 5; life++) {
      const { child, lines, ended } = write(t, path);
      await eventually('it has begun', () => lines.length > 2, 30_000);
      await sleep(Math.random() * 40);
      child.kill('SIGKILL');
      await ended;
      const first = Number(lines[0]);
      t.ok(first === told + 1 || first === told + 2, `${first} after ${told}: no number is given twice`);
      told = Number(lines.at(-1));
      const { nextNumber } = managedStateOf(managedOf(readFileSync(path, 'utf8')));
      t.ok(nextNumber - 1 === told || nextNumber - 2 === told, 'at most what was under way is there too');
    }
    const count = await stop();
    t.ok(count > 8, `${count} files were read meanwhile, and each was whole`);
  },
);

t.test('a disk that is full: the old rules stay, and nothing is said to be done', async (t) => {
  const path = join(temporaryDirectory(t), 'managed.yaml');
  const { child, lines, ended } = write(t, path);
  await eventually('it has begun', () => lines.length > 0, 30_000);
  // The kernel ends a write there (setrlimit(2), RLIMIT_FSIZE) as it does where a disk is full.
  const limited = await runProgram('prlimit', ['--pid', String(child.pid), '--fsize=2500']);
  t.equal(limited.exitCode, 0, limited.output);
  await eventually('it has failed often', () => lines.filter(isRefusal).length > 10, 10_000);
  child.kill();
  await ended;
  const done = lines.findIndex(isRefusal);
  t.ok(done > 3 && done < 35, `${done} fitted`);
  t.ok(lines.slice(done).every(isRefusal), 'and none after that');
  t.equal(managedOf(readFileSync(path, 'utf8')).tagRules.length, done);
  t.notOk(existsSync(`${path}.new`), 'what did not fit is gone');
  const again = write(t, path, 1);
  await again.ended;
  t.same(again.lines, [String(done + 1)], 'when there is room again it goes on');
});

function isRefusal(line: string): boolean {
  return /managed\.yaml cannot be written \(EFBIG/.test(line);
}
