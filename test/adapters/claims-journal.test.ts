import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ClaimsJournal, type JournalEntry } from '../../src/adapters/claims-journal.ts';
import { InMemoryClaims } from '../../src/adapters/claims-memory.ts';
import type { ClaimRequest } from '../../src/core/ports.ts';
import type { Digest, Repository, Tag } from '../../src/core/reference.ts';
import { ManualClock } from '../fixtures/clock.ts';

const one = `sha256:${'1'.repeat(64)}` as Digest;
const two = `sha256:${'2'.repeat(64)}` as Digest;
const nowMs = Date.parse('2026-01-01T00:00:00Z');

function entry(key: string, parts: Partial<JournalEntry> = {}): JournalEntry {
  return { key, digest: one, confirmed: false, expiresAtMs: nowMs + 120_000, ...parts };
}

function line(written: unknown): string {
  return JSON.stringify(written) + '\n';
}

async function entriesOf(path: string, atMs = nowMs): Promise<readonly JournalEntry[]> {
  const journal = await ClaimsJournal.open(path, atMs);
  await journal.close();
  return journal.entries();
}

/** A method of every file handle, replaced until the test ends. */
async function replaceFileMethod<Name extends 'appendFile' | 'datasync'>(
  t: Test,
  name: Name,
  replace: (original: FileHandle[Name]) => FileHandle[Name],
): Promise<void> {
  const handle = await open('/dev/null');
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const original = prototype[name];
  prototype[name] = replace(original);
  t.teardown(() => {
    prototype[name] = original;
  });
}

t.test('what was recorded is there after a restart, for the owner of the process alone', async (t) => {
  const path = join(t.testdir(), 'state/claims.journal');
  const journal = await ClaimsJournal.open(path, nowMs);
  await journal.record(entry('a:v1'));
  t.equal(readFileSync(path, 'utf8'), line(entry('a:v1')), 'on disk before `record` resolves');
  await journal.record(entry('a:v2'));
  await journal.note(entry('a:v1', { confirmed: true }));
  await journal.forget('a:v2');
  await journal.forget('never:there');
  t.same(journal.entries(), [entry('a:v1', { confirmed: true })]);
  await journal.close();
  t.same(await entriesOf(path), [entry('a:v1', { confirmed: true })]);
  t.equal(
    readFileSync(path, 'utf8'),
    line(entry('a:v1', { confirmed: true })),
    'rewritten when it is opened',
  );
  t.equal(statSync(path).mode & 0o777, 0o600);
});

t.test('a last line that a crash cut short is skipped, wherever it was cut', async (t) => {
  const path = join(t.testdir(), 'claims.journal');
  const last = line(entry('a:v2'));
  for (let length = 0; length < last.length - 1; length++) {
    writeFileSync(path, line(entry('a:v1')) + last.slice(0, length));
    t.same(await entriesOf(path), [entry('a:v1')], `${length} bytes of it`);
  }
  writeFileSync(path, line(entry('a:v1')) + last.trimEnd());
  t.same(await entriesOf(path), [entry('a:v1'), entry('a:v2')], 'only its end of line is missing');

  writeFileSync(path, line(entry('a:v1')) + last.slice(0, 20));
  const journal = await ClaimsJournal.open(path, nowMs);
  await journal.record(entry('a:v3'));
  await journal.close();
  t.same(await entriesOf(path), [entry('a:v1'), entry('a:v3')], 'what is written next does not join it');
});

t.test('lines that are no entries do no harm to those around them', async (t) => {
  const path = join(t.testdir(), 'claims.journal');
  const corrupted = [
    ...[
      '',
      ' ',
      'null',
      '1',
      '"text"',
      '[]',
      '{}',
      '{',
      'gar\u0000bage',
      '\ufeff{}',
      '{"key":1}',
      '{"gone":true}',
    ],
    '{"key":"a:v1"}',
    '{"key":"a:v1","digest":1,"confirmed":false,"expiresAtMs":99999999999999}',
    `{"key":"a:v1","digest":"${two}","confirmed":false,"expiresAtMs":"soon"}`,
    `{"key":"a:v1","digest":"${two}","confirmed":"no","expiresAtMs":99999999999999}`,
    JSON.stringify(entry('a:v1')).repeat(2),
    ...[1, null, { digest: one }, { digest: one, needs: [], expiresAtMs: 'soon' }].map((base) =>
      JSON.stringify({ ...entry('a:v1', { digest: two }), base }),
    ),
  ];
  for (const text of corrupted) {
    writeFileSync(path, `${line(entry('a:v1'))}${text}\n${line(entry('a:v2'))}`);
    t.same(await entriesOf(path), [entry('a:v1'), entry('a:v2')], JSON.stringify(text));
  }
  writeFileSync(path, Buffer.concat([Buffer.from([0xff, 0xfe, 10]), Buffer.from(line(entry('a:v2')))]));
  t.same(await entriesOf(path), [entry('a:v2')], 'bytes that are no UTF-8');
});

t.test(
  'what has expired is dropped when the journal is opened, and the later line of a key counts',
  async (t) => {
    const path = join(t.testdir(), 'claims.journal');
    const expired = entry('a:v1', { expiresAtMs: nowMs });
    const alive = entry('a:v2', { expiresAtMs: nowMs + 1 });
    writeFileSync(path, [expired, alive].map(line).join(''));
    t.same(await entriesOf(path), [alive]);
    t.equal(readFileSync(path, 'utf8'), line(alive));

    writeFileSync(path, [entry('a:v1'), expired].map(line).join(''));
    t.same(await entriesOf(path), [], 'the shorter life came later');
    writeFileSync(path, [expired, entry('a:v1')].map(line).join(''));
    t.same(await entriesOf(path), [entry('a:v1')], 'the longer life came later');
    writeFileSync(path, [entry('a:v1'), { key: 'a:v1', gone: true }].map(line).join(''));
    t.same(await entriesOf(path), [], 'given back');
  },
);

t.test(
  'after many lines the journal is rewritten, and loses nothing that is written meanwhile',
  async (t) => {
    const path = join(t.testdir(), 'claims.journal');
    const journal = await ClaimsJournal.open(path, nowMs);
    await journal.record(entry('kept:v1'));
    const writes: Promise<void>[] = [];
    for (let count = 0; count < 10_050; count++) {
      writes.push(journal.note(entry(`a:v${count % 10}`, { expiresAtMs: nowMs + count + 1 })));
      if (count % 500 === 0) writes.push(journal.record(entry(`kept:${count}`)));
    }
    await Promise.all(writes);
    const lines = readFileSync(path, 'utf8').split('\n').length - 1;
    t.ok(lines < 200, `${lines} lines are left`);
    const before = journal.entries();
    t.equal(before.length, 1 + 21 + 10);
    await journal.record(entry('after:v1'));
    t.ok(
      readFileSync(path, 'utf8').endsWith(line(entry('after:v1'))),
      'the rewritten file is the one that is written to',
    );
    await journal.close();
    t.same(
      new Set((await entriesOf(path)).map(({ key }) => key)),
      new Set([...before.map(({ key }) => key), 'after:v1']),
    );
    t.notOk(existsSync(`${path}.new`));
  },
);

t.test('where it cannot be rewritten, the journal goes on as it is', async (t) => {
  const path = join(t.testdir(), 'claims.journal');
  const journal = await ClaimsJournal.open(path, nowMs);
  mkdirSync(`${path}.new`);
  await Promise.all(Array.from({ length: 10_050 }, () => journal.note(entry('a:v1'))));
  await journal.record(entry('a:v2'));
  rmdirSync(`${path}.new`);
  t.same(readFileSync(path, 'utf8').split('\n').length - 1, 10_051);
  await journal.record(entry('a:v3'));
  t.equal(readFileSync(path, 'utf8'), ['a:v1', 'a:v2', 'a:v3'].map((key) => line(entry(key))).join(''));
  await journal.close();
});

t.test('a path that cannot be written is an error at the start, and nothing is lost', async (t) => {
  const directory = t.testdir({ file: '', taken: {} });
  await t.rejects(ClaimsJournal.open(join(directory, 'file/claims.journal'), nowMs), { code: 'EEXIST' });
  await t.rejects(ClaimsJournal.open(join(directory, 'taken'), nowMs), { code: 'EISDIR' });
  const path = join(directory, 'claims.journal');
  writeFileSync(path, line(entry('a:v1')));
  mkdirSync(`${path}.new`);
  await t.rejects(ClaimsJournal.open(path, nowMs), { code: 'EISDIR' });
  t.equal(readFileSync(path, 'utf8'), line(entry('a:v1')));

  const full = join(directory, 'full.journal');
  writeFileSync(full, line(entry('a:v1')));
  symlinkSync('/dev/full', `${full}.new`);
  await t.rejects(ClaimsJournal.open(full, nowMs), { code: 'ENOSPC' }, 'a full disk');
  t.equal(readFileSync(full, 'utf8'), line(entry('a:v1')), 'the old journal is as it was');
});

t.test(
  'a disk that is full for a while: nothing is armed, and what is recorded later is whole',
  async (t) => {
    const path = join(t.testdir(), 'claims.journal');
    const journal = await ClaimsJournal.open(path, nowMs);
    const claims = new InMemoryClaims({ leaseMs: 10_000, ttlMs: 120_000 }, new ManualClock(), journal);
    const claim = (tag: string, holder: string): ClaimRequest => ({
      ...{ repository: 'a' as Repository, tags: [tag as Tag] },
      ...{ digest: one, needs: [one], holder },
    });
    let isFull = true;
    await replaceFileMethod(
      t,
      'appendFile',
      (original) =>
        async function (this: FileHandle, data, options) {
          if (!isFull) return original.call(this, data, options);
          await original.call(this, String(data).slice(0, 20));
          throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
        },
    );
    await claims.claim(claim('v1', 'first'));
    await t.rejects(claims.arm(claim('v1', 'first')), { code: 'ENOSPC' });
    isFull = false;
    await claims.claim(claim('v2', 'second'));
    t.equal(await claims.arm(claim('v2', 'second')), 'armed');
    await claims.close();
    t.match(
      (await entriesOf(path)).map(({ key }) => key),
      ['a:v2'],
      'it does not continue the torn line',
    );
  },
);

t.test('many records at once share the syncs, and none resolves before its own', async (t) => {
  const path = join(t.testdir(), 'claims.journal');
  const journal = await ClaimsJournal.open(path, nowMs);
  let syncs = 0;
  let synced = '';
  await replaceFileMethod(
    t,
    'datasync',
    (original) =>
      async function (this: FileHandle) {
        syncs++;
        const written = readFileSync(path, 'utf8');
        await original.call(this);
        synced = written;
      },
  );
  const tooEarly: string[] = [];
  const record = async (key: string): Promise<void> => {
    await journal.record(entry(key));
    if (!synced.includes(line(entry(key)))) tooEarly.push(key);
  };
  const first = record('a:first');
  // Some come while the first sync runs, and must not be content with it.
  const later = Array.from({ length: 200 }, async (_, count) => {
    for (let turn = 0; turn < count % 20; turn++) await new Promise(setImmediate);
    await record(`a:v${count}`);
  });
  await Promise.all([first, ...later]);
  t.same(tooEarly, []);
  t.ok(syncs < 60, `${syncs} syncs for 201 records`);
  await journal.close();
  t.equal((await entriesOf(path)).length, 201);
});

t.test('a clock that was set back does not keep a tag for longer than a claim lives', async (t) => {
  const path = join(t.testdir(), 'claims.journal');
  const clock = new ManualClock();
  const hourMs = 3_600_000;
  const later = clock.nowMs() + hourMs + 120_000;
  writeFileSync(
    path,
    line(entry('a:v1', { expiresAtMs: later })) +
      line(entry('a:v2', { expiresAtMs: later, confirmed: true })),
  );
  const claims = new InMemoryClaims(
    { leaseMs: 10_000, ttlMs: 120_000 },
    clock,
    await ClaimsJournal.open(path, clock.nowMs()),
  );
  t.teardown(() => claims.close());
  const other = (tag: string): ClaimRequest => ({
    ...{ repository: 'a' as Repository, tags: [tag as Tag] },
    ...{ digest: two, needs: [two], holder: 'other' },
  });
  t.match(await claims.claim(other('v1')), { outcome: 'taken', confirmed: false, digest: one });
  t.match(await claims.claim(other('v2')), { outcome: 'taken', confirmed: true, digest: one });
  clock.jump(119_999);
  t.match(await claims.claim(other('v1')), { outcome: 'taken' });
  clock.jump(1);
  t.match(await claims.claim(other('v1')), { outcome: 'held' });
  t.match(await claims.claim(other('v2')), { outcome: 'held' });
});
