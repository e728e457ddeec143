import { randomBytes } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import t, { type Test } from 'tap';
import { Authority, type Issued, type IssuedFiles } from '../fixtures/authority.ts';
import { eventually } from '../fixtures/eventually.ts';
import { blob, startFront, uploads, type Front } from '../fixtures/front.ts';
import type { TagwardenOptions } from '../fixtures/tagwarden.ts';
import { askTls, failureOf } from '../fixtures/tls-client.ts';
import type { Script } from '../fixtures/upstream.ts';
import { readinessAt } from '../fixtures/readiness.ts';

interface Secured extends Front {
  readonly authority: Authority;
  readonly files: IssuedFiles;
  readonly port: number;
  readonly ca: string;
  /** What `/readyz` has beside what is needed. */
  readonly notes: () => Promise<Readonly<Record<string, string>>>;
}

async function startSecured(
  t: Test,
  { script, flags = [], ...options }: Partial<TagwardenOptions> & { readonly script?: Script } = {},
): Promise<Secured> {
  const authority = await Authority.make(t);
  const files = await authority.issueFiles('first', { subject: 'CN=first' });
  const tls = ['--tls-cert-file', files.certFile, '--tls-key-file', files.keyFile];
  const front = await startFront(t, script, { ...options, flags: [...tls, ...flags] });
  const notes = async () => (await readinessAt(front.tagwarden.app.adminAddress)).states;
  return { ...front, authority, files, port: front.tagwarden.port, ca: authority.cert, notes };
}

/** As a careful program replaces a file. */
function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

t.test('clients are served HTTPS, from TLS 1.2 on, by HTTP/1.1', async (t) => {
  const { port, ca, upstream } = await startSecured(t, {
    script: (req, res) => {
      const upload = `http://${req.headers.host ?? ''}${uploads}1?_state=x`;
      res.writeHead(202, req.method === 'POST' ? { Location: upload } : {}).end();
    },
  });
  t.match(await askTls({ port, ca }), { status: 202, protocol: 'TLSv1.3', commonName: 'first' });
  t.match(await askTls({ port, ca, maxVersion: 'TLSv1.2' }), { status: 202, protocol: 'TLSv1.2' });
  // This OpenSSL speaks it only when it is told that security does not matter.
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  t.match(await failureOf({ port, ca, ...old }), /PROTOCOL_VERSION/);
  t.match(await failureOf({ port, ca, ALPNProtocols: ['h2'] }), /NO_APPLICATION_PROTOCOL/);
  t.equal((await askTls({ port, ca, ALPNProtocols: ['h2', 'http/1.1'] })).status, 202);

  const started = await askTls({ port, ca, method: 'POST', target: uploads });
  const location = started.headers[started.headers.indexOf('Location') + 1];
  t.equal(location, `https://127.0.0.1:${port}${uploads}1?_state=x`);
  t.equal(upstream.requests.at(-1)?.headers['x-forwarded-proto'], 'https');
  const lie = await askTls({ port, ca, headers: ['X-Forwarded-Proto: http'] });
  t.equal(lie.status, 202);
  t.equal(upstream.requests.at(-1)?.headers['x-forwarded-proto'], 'https');

  const plain = connectTcp({ port, host: '127.0.0.1' });
  plain.on('error', () => undefined).write('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(plain, 'close');
  t.equal((await askTls({ port, ca })).status, 202, 'who speaks something else ends alone');
});

/** Clients as they come, some with a connection of their own for each request, until they are told to stop. */
function load(
  t: Test,
  { port, ca }: Secured,
): { stop: () => Promise<readonly string[]>; done: () => number } {
  const agent = new Agent({ keepAlive: true, ca, maxSockets: 4 });
  t.teardown(() => {
    agent.destroy();
  });
  const failures: string[] = [];
  let isOver = false;
  let done = 0;
  const once = (isAlone: boolean, isPush: boolean): Promise<void> =>
    new Promise((resolve) => {
      const fail = (error: Error): void => {
        failures.push(String(error));
        resolve();
      };
      const where = { port, host: '127.0.0.1', path: isPush ? uploads : blob, ca };
      const alone = isAlone ? { agent: false as const } : { agent };
      const req = request({ ...where, ...alone, method: isPush ? 'POST' : 'GET' }, (res) => {
        if (res.statusCode !== 200) failures.push(`status ${res.statusCode ?? 0}`);
        res.on('error', fail).on('end', resolve).resume();
        done += 1;
      });
      req.on('error', fail).end(isPush ? Buffer.alloc(10_000) : undefined);
    });
  const worker = async (isAlone: boolean, isPush: boolean): Promise<void> => {
    while (!isOver) await once(isAlone, isPush);
  };
  const workers = [false, true].flatMap((alone) => [worker(alone, false), worker(alone, true)]);
  const stop = async (): Promise<readonly string[]> => {
    isOver = true;
    await Promise.all(workers);
    return failures;
  };
  return { stop, done: () => done };
}

t.test('a certificate is rotated under load: nothing fails, and sessions go on', async (t) => {
  const secured = await startSecured(t, { script: (_, res) => void res.end('x'.repeat(20_000)) });
  const { authority, files, port, ca, tagwarden } = secured;
  const isServed = (name: string) => async (): Promise<boolean> =>
    (await askTls({ port, ca })).commonName === name;
  const sessions = [];
  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const)
    sessions.push({ maxVersion, session: (await askTls({ port, ca, maxVersion })).session });
  const held = connect({ port, ca, host: '127.0.0.1' });
  await once(held, 'secureConnect');
  const running = load(t, secured);

  // The certificate first, its key half a second later.
  const second = await authority.issue({ subject: 'CN=second' });
  replace(files.certFile, second.cert);
  await sleep(500);
  t.ok(await isServed('first')(), 'while the two do not fit the old ones stay');
  replace(files.keyFile, second.key);
  await eventually('the second is served', isServed('second'));
  // In place, slowly, and in the other order.
  const third = await authority.issue({ subject: 'CN=third' });
  writeFileSync(files.keyFile, third.key);
  writeFileSync(files.certFile, third.cert.slice(0, 300));
  await sleep(400);
  writeFileSync(files.certFile, third.cert);
  await eventually('the third is served', isServed('third'));

  for (const { maxVersion, session } of sessions) {
    t.ok(session, `${maxVersion} gave a session`);
    const resumed = await askTls({ port, ca, maxVersion, ...(session && { session }) });
    t.match(resumed, { status: 200, isResumed: true, protocol: maxVersion }, `${maxVersion} goes on`);
  }
  held.write(`GET ${blob} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  held.resume();
  await once(held, 'close');
  t.equal(/CN=(.*)/.exec(held.getPeerX509Certificate()?.subject ?? '')?.[1] ?? 'first', 'first');
  t.ok(held.bytesRead > 20_000, 'a connection from before goes on too');
  t.same(await running.stop(), []);
  t.ok(running.done() > 40, `${running.done()} requests`);
  t.notOk(
    tagwarden.logs.some(({ msg }) => /refused/.test(String(msg))),
    'nothing is refused that only takes its time',
  );
});

t.test('what is broken leaves the last good certificate in force', async (t) => {
  const { authority, files, port, ca, tagwarden, notes } = await startSecured(t);
  const refusals = (): readonly Record<string, unknown>[] =>
    tagwarden.logs.filter(({ msg }) => String(msg).includes('are refused'));
  const others = [];
  for (const name of ['one', 'two', 'three', 'four'])
    others.push(await authority.issue({ subject: `CN=${name}` }));
  const [one, two, three, four] = others as [Issued, Issued, Issued, Issued];
  const old = await authority.issue({ subject: 'CN=old', validFrom: -3, validTo: -1 });
  const cases: readonly (readonly [cert: string, key: string, reason: RegExp])[] = [
    [one.cert, files.key, /the key is not that of the first certificate/],
    [two.cert.slice(0, 200), two.key, /holds no certificate \(PEM\), or one that is cut short/],
    [`${three.cert}${files.cert.slice(0, 200)}`, three.key, /cut short/],
    [four.cert, four.key.slice(0, 100), /holds no private key \(PEM\), or one that is cut short/],
    ['', files.key, /holds no certificate/],
    [old.cert, old.key, /the certificate has expired/],
  ];
  for (const [at, [cert, key, reason]] of cases.entries()) {
    replace(files.certFile, cert);
    replace(files.keyFile, key);
    await eventually(String(reason), () => refusals().length === at + 1);
    t.match(refusals().at(-1), { reason, failedReloads: at + 1 });
    t.match(await askTls({ port, ca }), { status: 200, commonName: 'first' });
    t.match((await notes())['tls'], reason);
  }
  replace(files.certFile, files.cert);
  replace(files.keyFile, files.key);
  await eventually('all is well', async () => (await notes())['tls'] === undefined);
  t.match(await askTls({ port, ca }), { commonName: 'first' });
});

t.test('SIGHUP reads them at once', async (t) => {
  const { authority, files, port, ca, tagwarden } = await startSecured(t);
  const second = await authority.issue({ subject: 'CN=second' });
  writeFileSync(files.certFile, second.cert);
  tagwarden.app.reopen();
  const refused = (): boolean => tagwarden.logs.some(({ failedReloads }) => failedReloads === 1);
  // To the watch they would for a second be files that are being replaced.
  await eventually('it is judged without a second look', refused, 800);
  writeFileSync(files.keyFile, second.key);
  tagwarden.app.reopen();
  await eventually('served', async () => (await askTls({ port, ca })).commonName === 'second');
  t.pass();
});

t.test('sessions of one process are good in another that has the same ticket keys', async (t) => {
  const given = { ticketKeys: randomBytes(48) };
  const one = await startSecured(t, { given });
  const flags = ['--tls-cert-file', one.files.certFile, '--tls-key-file', one.files.keyFile];
  const [twin, stranger] = [
    await startFront(t, undefined, { flags, given }),
    await startFront(t, undefined, { flags }),
  ];
  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    const { session } = await askTls({ port: one.port, ca: one.ca, maxVersion });
    const resume = { ca: one.ca, maxVersion, ...(session && { session }) };
    t.ok((await askTls({ ...resume, port: twin.tagwarden.port })).isResumed);
    t.notOk((await askTls({ ...resume, port: stranger.tagwarden.port })).isResumed);
  }
});

t.test('who does not come to an end with TLS is cut', async (t) => {
  const { port, ca } = await startSecured(t, { flags: ['--limits-header-timeout-seconds', '1'] });
  const hello = Buffer.from('16030102000100', 'hex');
  const cutAfter = async (piece: Buffer | undefined): Promise<number> => {
    const socket = connectTcp({ port, host: '127.0.0.1' });
    const beganMs = performance.now();
    // A client that says hello, a byte at a time.
    const timer = setInterval(() => piece && socket.write(piece.subarray(0, 1)), 200);
    if (piece) socket.write(piece);
    await once(socket.on('error', () => undefined).resume(), 'close');
    clearInterval(timer);
    return performance.now() - beganMs;
  };
  const [silent, slow] = await Promise.all([cutAfter(undefined), cutAfter(hello)]);
  t.ok(silent > 900 && silent < 4_000, `silent: ${silent} ms`);
  t.ok(slow > 900 && slow < 4_000, `slow: ${slow} ms`);
  t.equal((await askTls({ port, ca })).status, 200);
});

t.test('operators are served the same where they want it', async (t) => {
  const { authority, files, ca, tagwarden } = await startSecured(t, { flags: ['--admin-tls', 'true'] });
  const port = Number(tagwarden.app.adminAddress.split(':')[1]);
  const question = { port, ca, target: '/livez' };
  t.match(await askTls(question), { status: 200, commonName: 'first' });
  t.match(await askTls({ ...question, target: '/metrics' }), { status: 200, commonName: 'first' });
  const second = await authority.issue({ subject: 'CN=second' });
  replace(files.certFile, second.cert);
  replace(files.keyFile, second.key);
  await eventually('the second', async () => (await askTls(question)).commonName === 'second');
});

t.test('what cannot be served with stops the start, with the reason', async (t) => {
  const authority = await Authority.make(t);
  const [one, other] = [await authority.issueFiles('one'), await authority.issueFiles('other')];
  const start = (cert: string, key: string): Promise<unknown> =>
    startFront(t, undefined, { flags: ['--tls-cert-file', cert, '--tls-key-file', key] });
  await t.rejects(start(one.certFile, other.keyFile), {
    message: 'tls.cert_file, tls.key_file: the key is not that of the first certificate',
  });
  await t.rejects(start(one.certFile, '/nowhere/key'), { message: /\/nowhere\/key: ENOENT/ });
});
