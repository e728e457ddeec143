import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { subjectOf } from '../../src/http/client-certificate.ts';
import { Authority, type Issued } from '../fixtures/authority.ts';
import { eventually } from '../fixtures/eventually.ts';
import { manifest, startFront } from '../fixtures/front.ts';
import { refusalOf } from '../fixtures/ask.ts';
import type { Tagwarden } from '../fixtures/tagwarden.ts';
import { askTls, failureOf, type TlsAnswer, type TlsQuestion } from '../fixtures/tls-client.ts';

/** Whoever is ci may push, and nobody else. */
const rules = `repository_rules:
  - { repository_path_pattern: team/*, minimum_access_level_for_push: maintainer }
members:
  - { subject: ci, repository_path_pattern: team/*, access_level: maintainer }
  - { subject: first@ci.example, repository_path_pattern: team/*, access_level: maintainer }
  - { subject: 'auth_type:build', repository_path_pattern: team/*, access_level: maintainer }
`;

interface Door {
  readonly tagwarden: Tagwarden;
  readonly clients: Authority;
  readonly push: (shown?: Issued, more?: Partial<TlsQuestion>) => Promise<TlsAnswer>;
}

async function open(
  t: Test,
  auth: 'off' | 'optional' | 'required',
  flags: readonly string[] = [],
): Promise<Door> {
  const [authority, clients] = [await Authority.make(t), await Authority.make(t, 'CN=authority of clients')];
  const { certFile, keyFile } = await authority.issueFiles('server');
  const tls = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-client-auth', auth];
  const { tagwarden } = await startFront(t, (_, res) => void res.writeHead(201).end(), {
    ...{ rules, given: { ticketKeys: randomBytes(48) } },
    flags: [...tls, ...(auth === 'off' ? [] : ['--tls-client-ca-file', clients.caFile]), ...flags],
  });
  const push: Door['push'] = (shown, more = {}) =>
    askTls({
      ...{ port: tagwarden.port, ca: authority.cert, method: 'PUT', target: manifest, body: '{}' },
      ...(shown && { cert: shown.cert, key: shown.key }),
      ...more,
    });
  return { tagwarden, clients, push };
}

const client = { use: 'client', names: [] } as const;
const denied = /^403 DENIED: container protected/;
const notAccepted = (code: string): RegExp =>
  new RegExp(`^403 DENIED: your client certificate is not accepted \\(${code}\\)`);

t.test('who shows a certificate is called what it says', async (t) => {
  const { clients, push, tagwarden } = await open(t, 'optional');
  t.match(refusalOf(await push()), denied, 'nobody');
  t.equal((await push(await clients.issue({ ...client, subject: 'CN=ci, O=team' }))).status, 201);
  t.match(tagwarden.logs.at(-1), { msg: 'wrote', caller: 'ci' });
  t.match(refusalOf(await push(await clients.issue({ ...client, subject: 'CN=cd' }))), denied, 'another');
  const named = {
    ...client,
    subject: 'O=team',
    names: [{ type: 'email', value: 'first@ci.example' }] as const,
  };
  t.equal((await push(await clients.issue(named))).status, 201, 'by its mail address, for want of a name');
  const both = await clients.issue({ ...named, subject: 'CN=cd' });
  t.match(refusalOf(await push(both)), denied, 'the common name comes first');
  const job = await clients.issue({ ...client, subject: 'CN=auth_type:build' });
  t.match(refusalOf(await push(job)), denied, 'no certificate is a token of CI jobs');
  const double = await clients.issue({ ...client, subject: 'CN=ci, CN=cd' });
  t.match(refusalOf(await push(double)), denied, 'who has two names has none');
});

t.test('a certificate that nobody vouches for is nobody, and told so', async (t) => {
  const { clients, push } = await open(t, 'optional');
  const [stranger, namesake] = [
    await Authority.make(t, 'CN=a stranger'),
    await Authority.make(t, 'CN=authority of clients'),
  ];
  const cases: readonly (readonly [Issued, string])[] = [
    [await stranger.issue({ ...client, subject: 'CN=ci' }), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    [await clients.issue({ ...client, subject: 'CN=ci', validFrom: -3, validTo: -1 }), 'CERT_HAS_EXPIRED'],
    [await clients.issue({ ...client, subject: 'CN=ci', validFrom: 0.5 }), 'CERT_NOT_YET_VALID'],
    [
      await clients.issue({ ...client, subject: 'CN=ci', use: 'server' }),
      'INVALID_PURPOSE|UNSUPPORTED_CERTIFICATE_PURPOSE',
    ],
  ];
  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    for (const [shown, code] of cases) {
      const answer = await push(shown, { maxVersion });
      t.match(refusalOf(answer), notAccepted(code));
      const { session } = answer;
      if (session)
        t.match(refusalOf(await push(undefined, { maxVersion, session })), notAccepted(code), 'resumed');
    }
    // In TLS 1.2 Node ends the connection over a signature that is wrong, and says nothing.
    const forged = await namesake.issue({ ...client, subject: 'CN=ci' });
    const outcome = await push(forged, { maxVersion }).then(refusalOf, (error: unknown) => String(error));
    t.match(
      outcome,
      maxVersion === 'TLSv1.3' ? notAccepted('CERT_SIGNATURE_FAILURE') : /closed|not accepted/,
    );
  }
});

t.test('a session that is resumed is who it was, for as long as that is good', async (t) => {
  const { clients, push, tagwarden } = await open(t, 'optional');
  const ci = await clients.issue({ ...client, subject: 'CN=ci' });
  const others = await Authority.make(t, 'CN=other authority of clients');
  const sessions: TlsQuestion['session'][] = [];
  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    const nobody = await push(undefined, { maxVersion });
    // Node says of such a session that it is authorized.
    const again = await push(undefined, { maxVersion, ...(nobody.session && { session: nobody.session }) });
    t.match(again, { isResumed: true, status: 403 }, 'there never was a certificate');
    const first = await push(ci, { maxVersion });
    const resumed = await push(undefined, { maxVersion, ...(first.session && { session: first.session }) });
    t.match(resumed, { isResumed: true, status: 201 });
    sessions.push(first.session);
  }
  writeFileSync(clients.caFile, others.cert);
  const isForgotten = async (): Promise<boolean> => (await push(ci)).status === 403;
  await eventually('the authority is not trusted any more', isForgotten);
  for (const [at, maxVersion] of (['TLSv1.3', 'TLSv1.2'] as const).entries()) {
    const session = sessions[at];
    const after = await push(undefined, { maxVersion, ...(session && { session }) });
    t.match(after, { isResumed: false, status: 403 }, 'nor are sessions from when it was');
  }
  t.equal((await push(await others.issue({ ...client, subject: 'CN=ci' }))).status, 201);
  t.ok(tagwarden.logs.some(({ msg }) => msg === 'files were replaced, and are in force'));
});

t.test('a connection that outlasts its certificate does not outlast what it may do', async (t) => {
  const { clients, push } = await open(t, 'optional');
  const seconds = 2 / (24 * 3600);
  const short = await clients.issue({ ...client, subject: 'CN=ci', validTo: seconds });
  const before = await push(short);
  t.equal(before.status, 201);
  t.ok(before.session);
  const resume = { ...(before.session && { session: before.session }) };
  const isOver = async (): Promise<boolean> => {
    const answer = await push(undefined, resume);
    return answer.isResumed && notAccepted('CERT_HAS_EXPIRED').test(refusalOf(answer));
  };
  await eventually('it has expired, in a session that goes on', isOver);
});

t.test('where a certificate is required there is no HTTP without a good one', async (t) => {
  const { clients, push, tagwarden } = await open(t, 'required');
  const stranger = await Authority.make(t);
  const ask = { port: tagwarden.port, rejectUnauthorized: false };
  t.match(await failureOf({ ...ask, maxVersion: 'TLSv1.2' }), /ERR_SSL|ECONNRESET/);
  t.match(await failureOf(ask), /ERR_SSL|ECONNRESET/);
  const { cert, key } = await stranger.issue(client);
  t.match(await failureOf({ ...ask, cert, key }), /ERR_SSL|ECONNRESET|closed/);
  t.notOk(
    tagwarden.logs.some(({ method }) => method !== undefined),
    'no request was served',
  );
  t.equal((await push(await clients.issue({ ...client, subject: 'CN=ci' }))).status, 201);
  t.match(refusalOf(await push(await clients.issue({ ...client, subject: 'CN=cd' }))), denied);
});

t.test('where nobody asks for one, none counts', async (t) => {
  const { clients, push } = await open(t, 'off');
  t.match(refusalOf(await push(await clients.issue({ ...client, subject: 'CN=ci' }))), denied);
});

t.test('the certificate of a load balancer is not its clients', async (t) => {
  const { clients, push } = await open(t, 'optional', ['--trusted-proxies', '127.0.0.1']);
  t.match(refusalOf(await push(await clients.issue({ ...client, subject: 'CN=ci' }))), denied);
});

t.test('whom a certificate names', (t) => {
  const cases: readonly (readonly [
    subject: NodeJS.Dict<string | string[]>,
    subjectaltname: string | undefined,
    string | undefined,
  ])[] = [
    [{ CN: 'ci' }, 'DNS:x.example', 'ci'],
    [{ CN: ['ci', 'cd'] }, 'DNS:x.example', undefined],
    [{ CN: 'a\u0000b' }, undefined, undefined],
    [{ CN: '' }, 'DNS:x.example', undefined],
    [{ CN: 'x'.repeat(257) }, undefined, undefined],
    [{ CN: 'auth_type:anonymous' }, undefined, undefined],
    [{}, undefined, undefined],
    [{}, 'IP Address:127.0.0.1, DNS:x.example, email:a@x.example', 'x.example'],
    [{}, 'email:a@x.example, DNS:x.example', 'a@x.example'],
    [{}, 'URI:"spiffe://x, DNS:ci, ", DNS:cd', 'cd'],
    [{}, 'DNS:"ci\\u0000.example", DNS:cd', undefined],
    [{}, 'othername:<unsupported>, DNS:cd', 'cd'],
    [{}, 'URI:"unfinished, DNS:ci', undefined],
  ];
  for (const [subject, subjectaltname, expected] of cases)
    t.equal(
      subjectOf({ subject, ...(subjectaltname !== undefined && { subjectaltname }) }),
      expected,
      `${JSON.stringify(subject)} ${subjectaltname ?? ''}`,
    );
  t.end();
});
