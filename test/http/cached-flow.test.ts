import t from 'tap';
import { headerOf, type Question } from '../fixtures/ask.ts';
import { isKept, pathOf, startCached } from '../fixtures/cached.ts';
import { eventually } from '../fixtures/eventually.ts';
import { parseResponses, sendRaw } from '../fixtures/raw.ts';
import { Wire } from '../fixtures/wire.ts';

const text = '{"schemaVersion":2}';

t.test('who asks the same at the same time waits for one answer', async (t) => {
  const { shelf, read, asked, upstream, clock } = await startCached(t);
  const digest = shelf.put('a', 'v1', text);
  /** Asks for something that the upstream answers when it is told to. */
  const begin = async (name: string, question: Question = {}) => {
    const release = shelf.hold(pathOf(name));
    const before = upstream.requests.length;
    const first = read(name, question);
    await eventually('it has asked', () => upstream.requests.length > before);
    return { release, first };
  };
  /** Whoever asked before has arrived, for this was answered. */
  const arrived = (): Promise<unknown> => read('z:moving');

  for (const name of ['a:v1', `a@${digest}`]) {
    const { release, first } = await begin(name);
    const others = Array.from({ length: 20 }, () => read(name));
    await arrived();
    release();
    for (const { status, body } of [await first, ...(await Promise.all(others))])
      t.same([status, body.toString()], [200, text]);
    t.equal(asked().filter((it) => it === `GET ${name}`).length, 1, name);
  }

  await t.test('also if the one who asked goes away', async (t) => {
    shelf.put('b', 'v1', text);
    const gone = new AbortController();
    const { release, first } = await begin('b:v1', { signal: gone.signal });
    const cut = t.rejects(first, { name: 'AbortError' });
    const second = read('b:v1');
    await arrived();
    gone.abort();
    await cut;
    await arrived();
    release();
    t.equal((await second).body.toString(), text);
    t.equal(asked().filter((it) => it === 'GET b:v1').length, 1);
  });

  await t.test('but a refusal is an answer to one alone', async (t) => {
    shelf.put('c', 'v1', text);
    let asks = 0;
    shelf.adjust = (draft, { target }) => {
      if (target === pathOf('c:v1') && (asks += 1) === 1) draft.status = 403;
    };
    const { release, first } = await begin('c:v1');
    const others = Array.from({ length: 3 }, () => read('c:v1'));
    await arrived();
    release();
    t.equal((await first).status, 403);
    for (const other of await Promise.all(others)) t.equal(other.status, 200);
  });

  await t.test('and nobody waits long for a connection that is dead', async (t) => {
    shelf.put('d', 'v1', text);
    const { release, first } = await begin('d:v1');
    shelf.letGoOn(pathOf('d:v1'));
    t.equal((await read('d:v1')).status, 200);
    clock.shift(1_000);
    t.equal((await read('d:v1')).status, 200);
    t.ok(isKept(await read('d:v1')), 'another asks, for all who come later');
    release();
    t.equal((await first).status, 200);
  });

  await t.test('answers that come in another order than they were asked for', async (t) => {
    const before = shelf.put('f', 'v1', text);
    const { release, first } = await begin('f:v1');
    shelf.letGoOn(pathOf('f:v1'));
    shelf.put('f', 'v1', text.replace('2', '3'));
    clock.shift(1_000);
    const after = headerOf(await read('f:v1'), 'docker-content-digest');
    release();
    t.equal(headerOf(await first, 'docker-content-digest'), before);
    const last = await read('f:v1');
    t.same([isKept(last), headerOf(last, 'docker-content-digest')], [true, after]);
    t.not(after, before);
  });

  await t.test('a GET does not wait for a HEAD', async (t) => {
    shelf.put('e', 'v1', text);
    const { release, first } = await begin('e:v1', { method: 'HEAD' });
    shelf.letGoOn(pathOf('e:v1'));
    t.equal((await read('e:v1')).body.toString(), text);
    t.ok(isKept(await read('e:v1')));
    release();
    await first;
    t.equal((await read('e:v1')).body.toString(), text, 'and its answer, which is older, replaces nothing');
    t.strictSame(asked().slice(-2), ['HEAD e:v1', 'GET e:v1']);
  });
});

t.test('an answer of any length arrives', async (t) => {
  const { shelf, read, asked } = await startCached(t);
  const longOf = (byte: string): Buffer => Buffer.alloc(2 * 1024 * 1024, byte);
  for (const coding of ['identity', 'chunked']) {
    const long = longOf(coding);
    const digest = shelf.put('a', coding, long.toString());
    shelf.adjust = ({ headers }) => {
      if (coding === 'chunked') headers['transfer-encoding'] = coding;
    };
    for (let time = 0; time < 2; time += 1) {
      const { status, body } = await read(`a@${digest}`);
      t.same([status, body.equals(long)], [200, true], coding);
    }
    t.equal(asked().length, 3, 'that it is too long to be held is found out once');
  }
  await read('a:v1', { method: 'HEAD' });
  shelf.put('a', 'v1', longOf('x').toString());
  await read('a:v1', { method: 'HEAD' });
  t.ok(isKept(await read('a:v1', { method: 'HEAD' })), 'its head is none the longer');
});

t.test('nothing that is out of date is answered while the upstream is away', async (t) => {
  const { shelf, upstream, read, clock } = await startCached(t);
  shelf.put('a', 'v1', text);
  await read('a:v1');
  upstream.script = (req) => void req.socket.destroy();
  t.ok(isKept(await read('a:v1')), 'what is known to be right is answered all the same');
  clock.shift(60_001);
  t.equal((await read('a:v1')).status, 502);
  t.equal((await read('a:v1', { headers: ['If-None-Match', '*'] })).status, 502);
  upstream.script = shelf.script;
  t.equal((await read('a:v1')).status, 200);
});

t.test('memory is bounded', async (t) => {
  const { shelf, read, asked, tagwarden } = await startCached(t, { flags: ['--cache-size-mib', '1'] });
  const size = 20_000;
  const digests = Array.from({ length: 200 }, (_, at) =>
    shelf.put('a', `x${at}`, `${at} `.padEnd(size, 'x')),
  );
  for (const digest of digests) await read(`a@${digest}`);
  asked();
  const kept = [];
  for (const digest of digests.toReversed().slice(0, 60)) {
    const answer = await read(`a@${digest}`);
    if (isKept(answer)) kept.push(digest);
  }
  t.ok(kept.length > 30 && kept.length < 52, `${kept.length} of ${digests.length} are kept`);
  t.ok(tagwarden.url);
});

t.test('whoever asks and does not read is not answered on', async (t) => {
  const { shelf, tagwarden, read, asked } = await startCached(t, {
    flags: ['--upstream-idle-timeout-seconds', '1'],
  });
  const body = 'x'.repeat(700_000);
  const digest = shelf.put('a', 'v1', body);
  await read(`a@${digest}`);
  t.ok(isKept(await read(`a@${digest}`)));
  asked();
  const wire = await Wire.open(t, tagwarden);
  wire.socket.pause();
  const message = `GET ${pathOf(`a@${digest}`)} HTTP/1.1\r\nHost: ${new URL(tagwarden.url).host}\r\n\r\n`;
  const before = process.memoryUsage().arrayBuffers;
  await wire.send(message.repeat(300));
  const answered = (): number => tagwarden.logs.filter(({ msg }) => msg === 'answered from memory').length;
  await eventually('some are answered', () => answered() > 1);
  await eventually('it is cut off', async () => !(await wire.send(message)));
  t.ok(answered() < 100, `${answered()} were begun: each waits for the one before`);
  t.ok(process.memoryUsage().arrayBuffers - before < 30_000_000);
  t.strictSame(asked(), []);
});

t.test('requests behind each other on one connection', async (t) => {
  const { shelf, tagwarden, read, asked } = await startCached(t);
  const digest = shelf.put('a', 'v1', text);
  await read('a:v1');
  await read(`a@${digest}`);
  asked();
  const message = (method: string, name: string, more = ''): string =>
    `${method} ${pathOf(name)} HTTP/1.1\r\nHost: ${new URL(tagwarden.url).host}\r\n${more}\r\n`;
  const turns =
    message('GET', 'a:v1') + message('GET', `a@${digest}`) + message('GET', 'a:v1', `If-None-Match: *\r\n`);
  const last = message('GET', 'a:v1', 'Connection: close\r\n');
  const { bytes } = await sendRaw(tagwarden, Buffer.from(turns.repeat(50) + last));
  const statuses = parseResponses(bytes).map(({ status, body }) => `${status} ${body.toString()}`);
  t.strictSame(statuses, [
    ...Array.from({ length: 50 }, () => [`200 ${text}`, `200 ${text}`, '304 ']).flat(),
    `200 ${text}`,
  ]);
  t.strictSame(asked(), []);
  const old = await sendRaw(
    tagwarden,
    Buffer.from(`GET ${pathOf('a:v1')} HTTP/1.0\r\nHost: ${new URL(tagwarden.url).host}\r\n\r\n`),
  );
  t.same([old.end, parseResponses(old.bytes)[0]?.body.toString()], ['closed', text], 'HTTP/1.0');
});

t.test('switched off', async (t) => {
  for (const flag of ['--cache-size-mib', '--cache-revalidate-seconds']) {
    const { shelf, read, asked } = await startCached(t, { flags: [flag, '0'] });
    shelf.put('a', 'v1', text);
    await read('a:v1');
    t.notOk(isKept(await read('a:v1')));
    t.equal(asked().length, 2, flag);
  }
});
