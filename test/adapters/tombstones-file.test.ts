import { chmodSync, existsSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { TombstonesFile } from '../../src/adapters/tombstones-file.ts';
import type { Digest, Repository, Tag } from '../../src/core/reference.ts';

const one = `sha256:${'1'.repeat(64)}` as Digest;
const two = `sha256:${'2'.repeat(64)}` as Digest;
const repository = 'a/b' as Repository;

function line(tag: string, digest = one): string {
  return `${JSON.stringify({ repository, tag, digest })}\n`;
}

function bury(tombstones: TombstonesFile, tag: string, digest = one): Promise<void> {
  return tombstones.bury(repository, tag as Tag, digest);
}

function recall(tombstones: TombstonesFile, tag: string): Promise<Digest | undefined> {
  return tombstones.recall(repository, tag as Tag);
}

/**
 * A step of every write, replaced until the test ends.
 * @returns what ends it before
 */
async function replaceStep<Name extends 'appendFile' | 'datasync'>(
  t: Test,
  name: Name,
  replace: (original: FileHandle[Name]) => FileHandle[Name],
): Promise<() => void> {
  const handle = await open('/dev/null');
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const original = prototype[name];
  prototype[name] = replace(original);
  const mend = (): void => {
    prototype[name] = original;
  };
  t.teardown(mend);
  return mend;
}

/** The kernel lets root write anywhere. */
async function asNobody(work: () => Promise<void>): Promise<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

t.test('there is no file until there is something in it; then it is for its owner alone', async (t) => {
  const path = join(t.testdir(), 'state/tombstones');
  const tombstones = await TombstonesFile.open(path);
  t.notOk(existsSync(join(path, '..')));
  await bury(tombstones, 'v1');
  t.equal(readFileSync(path, 'utf8'), line('v1'), 'on disk before `bury` resolves');
  t.equal(statSync(path).mode & 0o777, 0o600);
  await bury(tombstones, 'v1', two);
  await Promise.all([bury(tombstones, 'v2', two), bury(tombstones, 'v3')]);
  t.equal(readFileSync(path, 'utf8'), line('v1') + line('v2', two) + line('v3'), 'one line for each');
  await tombstones.close();
});

t.test('a last line that a crash cut short is ignored, wherever it was cut', async (t) => {
  const path = join(t.testdir(), 'tombstones');
  const last = line('v2');
  for (let length = 0; length < last.length - 1; length++) {
    writeFileSync(path, line('v1') + last.slice(0, length));
    const tombstones = await TombstonesFile.open(path);
    t.equal(await recall(tombstones, 'v1'), one);
    t.equal(await recall(tombstones, 'v2'), undefined, `${length} bytes of it`);
    await bury(tombstones, 'v3', two);
    await tombstones.close();
    t.equal(
      readFileSync(path, 'utf8'),
      line('v1') + line('v3', two),
      'what is written next does not join it',
    );
  }
  writeFileSync(path, Buffer.concat([Buffer.from(line('v1')), Buffer.alloc(100)]));
  t.equal(
    await recall(await TombstonesFile.open(path), 'v1'),
    one,
    'zeros, as of a machine that lost its power',
  );
});

t.test('a last line that lacks only its end counts', async (t) => {
  const path = join(t.testdir({ tombstones: line('v1') + line('v2').trimEnd() }), 'tombstones');
  const tombstones = await TombstonesFile.open(path);
  t.equal(await recall(tombstones, 'v2'), one);
  await bury(tombstones, 'v3');
  await bury(tombstones, 'v4');
  await tombstones.close();
  t.equal(readFileSync(path, 'utf8'), ['v1', 'v2', 'v3', 'v4'].map((tag) => line(tag)).join(''));
});

t.test('of two lines for one tag the first counts', async (t) => {
  const path = join(t.testdir({ tombstones: line('v1') + line('v1', two) }), 'tombstones');
  t.equal(await recall(await TombstonesFile.open(path), 'v1'), one);
});

t.test('any other line that makes no sense is an error at the start: it may protect a tag', async (t) => {
  const path = join(t.testdir(), 'tombstones');
  const broken = [
    ...['', ' ', 'null', '1', '[]', '{}', '{', '\ufeff{}', '{"repository":"a","tag":"v1"}'],
    ...[{ repository: 'A B' }, { repository: 1 }, { tag: '-' }, { tag: 1 }, { digest: 'sha256:11' }].map(
      (field) => JSON.stringify({ repository, tag: 'v1', digest: one, ...field }),
    ),
    line('v1').trimEnd().repeat(2),
  ];
  for (const text of broken) {
    writeFileSync(path, `${line('v0')}${text}\n${line('v2')}`);
    const message = `${path}:2 is no tombstone; mend the line, or remove it`;
    await t.rejects(TombstonesFile.open(path), { message }, text);
  }
});

t.test('a path that cannot be read is an error at the start', async (t) => {
  const directory = t.testdir({ taken: {}, file: '' });
  const words = /^cannot read the tombstones: E[A-Z]+: .*; see immutability\.tombstone_file$/;
  await t.rejects(TombstonesFile.open(join(directory, 'taken')), {
    message: words,
    cause: { code: 'EISDIR' },
  });
  const beneath = join(directory, 'file/tombstones');
  await t.rejects(TombstonesFile.open(beneath), { message: words, cause: { code: 'ENOTDIR' } });
});

t.test('a path that cannot be written is an error at each burial, until it can', async (t) => {
  const directory = t.testdir({ taken: {} });
  const path = join(directory, 'state/tombstones');
  const tombstones = await TombstonesFile.open(path);
  writeFileSync(join(directory, 'state'), '');
  const message =
    /^the tombstone of a\/b:v1 cannot be written \(E[A-Z]+: .*\); see immutability\.tombstone_file$/;
  for (const digest of [one, two]) await t.rejects(bury(tombstones, 'v1', digest), { message });
  t.equal(await recall(tombstones, 'v1'), undefined);
  unlinkSync(join(directory, 'state'));
  await bury(tombstones, 'v1', two);
  t.equal(await recall(tombstones, 'v1'), two);
  await tombstones.close();
});

t.test('permission denied: said with the path and the key that chooses it', async (t) => {
  const directory = t.testdir({ tombstones: line('v1'), locked: {} });
  chmodSync(join(directory, 'tombstones'), 0o200);
  chmodSync(join(directory, 'locked'), 0o555);
  const path = join(directory, 'locked/tombstones');
  await asNobody(async () => {
    await t.rejects(TombstonesFile.open(join(directory, 'tombstones')), {
      message: /^cannot read the tombstones: EACCES: permission denied, open '.*'; see immutability/,
    });
    await t.rejects(bury(await TombstonesFile.open(path), 'v1'), {
      message: `the tombstone of a/b:v1 cannot be written (EACCES: permission denied, open '${path}'); see immutability.tombstone_file`,
    });
  });
});

t.test(
  'a disk that is full for a while: nothing half-written stays, and nothing is said to be done',
  async (t) => {
    const path = join(t.testdir(), 'tombstones');
    const tombstones = await TombstonesFile.open(path);
    await bury(tombstones, 'v1');
    const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    const mendWrites = await replaceStep(
      t,
      'appendFile',
      (original) =>
        async function (this: FileHandle, data, options) {
          await original.call(this, String(data).slice(0, 20), options);
          throw full;
        },
    );
    await t.rejects(Promise.all([bury(tombstones, 'v2'), bury(tombstones, 'v2')]), /no space left/);
    t.equal(await recall(tombstones, 'v2'), undefined);
    mendWrites();
    const mendSyncs = await replaceStep(t, 'datasync', () => () => Promise.reject(full));
    await t.rejects(bury(tombstones, 'v2'), /no space left/);
    mendSyncs();
    await bury(tombstones, 'v3', two);
    await tombstones.close();
    t.equal(readFileSync(path, 'utf8'), line('v1') + line('v3', two));
  },
);

t.test('none resolves before its own line is on the disk', async (t) => {
  const path = join(t.testdir(), 'tombstones');
  const tombstones = await TombstonesFile.open(path);
  let synced = '';
  await replaceStep(
    t,
    'datasync',
    (original) =>
      async function (this: FileHandle) {
        const written = readFileSync(path, 'utf8');
        await original.call(this);
        synced = written;
      },
  );
  const tooEarly: string[] = [];
  const tags = Array.from({ length: 60 }, (_, i) => `v${i % 30}`);
  await Promise.all(
    tags.map(async (tag) => {
      await bury(tombstones, tag);
      if (!synced.includes(line(tag))) tooEarly.push(tag);
    }),
  );
  t.same(tooEarly, []);
  await tombstones.close();
});
