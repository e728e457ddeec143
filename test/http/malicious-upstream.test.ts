import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { headerValues } from '../../src/core/header-list.ts';
import { blob, digest, session } from '../fixtures/front.ts';
import { sendRaw, type RawResponse } from '../fixtures/raw.ts';
import { rawMessage } from '../fixtures/raw-message.ts';
import { answerSpellings, hiddenMark, type AnswerSpelling } from '../fixtures/spellings-of-answers.ts';
import { rulesElsewhere, startTagwarden, type Tagwarden } from '../fixtures/tagwarden.ts';

/** Answers `GET /v2/_catalog`, and one blob, honestly, and everything else as the test says: on the same connection, too. */
class Malicious {
  readonly sockets = new Set<Socket>();
  spelling: AnswerSpelling = { name: 'nothing', pieces: [] };
  port = 0;

  static async start(t: Test): Promise<Malicious> {
    const upstream = new Malicious();
    const server = createServer((socket) => {
      upstream.sockets.add(socket);
      socket
        .on('error', () => undefined)
        .on('close', () => upstream.sockets.delete(socket))
        .on('data', (bytes) => void upstream.answer(socket, bytes.toString('latin1')));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    upstream.port = (server.address() as AddressInfo).port;
    t.teardown(() => {
      for (const socket of upstream.sockets) socket.destroy();
      server.close();
    });
    return upstream;
  }

  private async answer(socket: Socket, request: string): Promise<void> {
    if (request.startsWith('GET /v2/_catalog ') || request.startsWith(`GET ${goodBlob} `)) {
      socket.write(`HTTP/1.1 200 OK\r\nX-Honest: yes\r\nContent-Length: ${honest.length}\r\n\r\n${honest}`);
      return;
    }
    for (const piece of this.spelling.pieces) await new Promise((resolve) => socket.write(piece, resolve));
    if (this.spelling.ends) socket.end();
  }
}

const goodBlob = `/v2/team/app/blobs/sha256:${'b'.repeat(64)}`;
const honest = '{"repositories":[]}';
const asked = [
  rawMessage({ target: blob, connection: 'keep-alive' }),
  rawMessage({ target: `/v2/team/app/manifests/${digest}`, connection: 'keep-alive' }),
  rawMessage({ target: '/v2/team/app/manifests/latest', connection: 'keep-alive' }),
  rawMessage({ method: 'HEAD', target: blob, connection: 'keep-alive' }),
  rawMessage({ method: 'PATCH', target: session, body: 'hello', connection: 'keep-alive' }),
  rawMessage({
    method: 'PUT',
    target: '/v2/team/app/manifests/latest',
    body: '{}',
    connection: 'keep-alive',
  }),
  rawMessage({ method: 'DELETE', target: '/v2/team/app/manifests/latest', connection: 'keep-alive' }),
];
const next = rawMessage({ target: '/v2/_catalog' });

async function startMalicious(t: Test): Promise<{ upstream: Malicious; tagwarden: Tagwarden }> {
  const upstream = await Malicious.start(t);
  const flags = ['--upstream-idle-timeout-seconds', '1', '--claims-put-deadline-seconds', '1'];
  const url = `http://127.0.0.1:${upstream.port}`;
  return { upstream, tagwarden: await startTagwarden(t, { upstream: url, rules: rulesElsewhere, flags }) };
}

function isHonest({ status, headers, body }: RawResponse): boolean {
  return status === 200 && headerValues(headers, 'x-honest').length === 1 && body.toString() === honest;
}

/** What is wrong with what one client saw, who asked for something and then for the catalog on the same connection. */
function violations(responses: readonly RawResponse[], isHead: boolean): readonly string[] {
  const marked = responses.filter(({ headers }) => headerValues(headers, hiddenMark).length > 0);
  const framings = responses.map(
    ({ headers }) =>
      [...headerValues(headers, 'content-length'), ...headerValues(headers, 'transfer-encoding')].length,
  );
  const second = responses[1];
  return [
    ...(responses.length <= 2 ? [] : [`${responses.length} answers to two requests`]),
    ...(framings.every((count) => count <= 1) ? [] : ['the client is told two lengths']),
    ...(marked.length === 0 || isHead ? [] : ['what was hidden became an answer']),
    ...(second === undefined || isHonest(second) || isHead ? [] : [`the next request got ${second.status}`]),
  ];
}

t.test('no answer of an upstream becomes the answer to another request', async (t) => {
  const { upstream, tagwarden } = await startMalicious(t);
  for (const spelling of answerSpellings) {
    upstream.spelling = spelling;
    // After some odd answers in a row the reader of blobs would not be asked any more.
    await sendRaw(tagwarden, rawMessage({ target: goodBlob }));
    const found = await Promise.all(
      asked.map(async (message) => {
        const { responses } = await sendRaw(tagwarden, Buffer.concat([message, next]), { quietMs: 3_000 });
        const which = message.toString('latin1', 0, 40).split(' HTTP')[0] ?? '';
        return violations(responses, which.startsWith('HEAD')).map((what) => `${which}: ${what}`);
      }),
    );
    t.same(found.flat(), [], spelling.name);
    const { responses } = await sendRaw(tagwarden, next);
    t.ok(responses.length === 1 && responses.every(isHonest), `${spelling.name}: others are served`);
  }
});
