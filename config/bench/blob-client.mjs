import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';

// node config/bench/blob-client.mjs pull URL COUNT                one blob, so often at once; what comes is thrown away
// node config/bench/blob-client.mjs push URL COUNT BYTES FRAMING DIGEST  that blob to /v2/bench/…; length or chunked
// Prints the seconds that it took. A process of its own, so that its work is not the proxy's.

/** 1 MiB: faster than what is measured, for it reads, and writes, four times as much at once. */
const block = Buffer.alloc(1024 * 1024, 'a registry of layers ');

/** The digest of the blob that is pushed. */
export function digestOfBlob(bytes) {
  const hash = createHash('sha256');
  for (let left = bytes; left > 0; left -= block.length)
    hash.update(block.subarray(0, Math.min(left, block.length)));
  return `sha256:${hash.digest('hex')}`;
}

function pull(url) {
  const { hostname, port, pathname, host } = new URL(url);
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  return new Promise((resolve, reject) => {
    let head = '';
    let missing;
    const onread = (length) => {
      if (missing === undefined) {
        head += buffer.toString('latin1', 0, length);
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return true;
        if (!head.startsWith('HTTP/1.1 200 ')) reject(new Error(head.slice(0, 200)));
        missing = Number(/^content-length: *(\d+)/im.exec(head)[1]) - (head.length - end - 4);
      } else {
        missing -= length;
      }
      if (missing <= 0) {
        socket.destroy();
        resolve();
      }
      return true;
    };
    const socket = connect({ host: hostname, port: Number(port), onread: { buffer, callback: onread } });
    socket.on('error', reject).on('close', () => reject(new Error('the connection ended')));
    socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  });
}

async function push(base, bytes, digest, isChunked, count) {
  const started = await fetch(`${base}/v2/bench/push-${count}/blobs/uploads/`, { method: 'POST' });
  const session = new URL(started.headers.get('location'), base);
  const patched = await send(session, bytes, isChunked);
  const end = new URL(patched.headers.location, base);
  end.searchParams.set('digest', digest);
  const put = await fetch(end, { method: 'PUT' });
  if (put.status !== 201) throw new Error(`${put.status}: ${await put.text()}`);
}

function send(url, bytes, isChunked) {
  return new Promise((resolve, reject) => {
    const headers = {
      'Content-Type': 'application/octet-stream',
      ...(!isChunked && { 'Content-Length': bytes }),
    };
    const req = request(url, { method: 'PATCH', headers });
    req.on('error', reject).on('response', (res) => {
      res.resume();
      if (res.statusCode === 202) resolve(res);
      else reject(new Error(`PATCH: ${res.statusCode}`));
    });
    let left = bytes;
    const write = () => {
      while (left > 0) {
        const piece = block.subarray(0, Math.min(left, block.length));
        left -= piece.length;
        if (!req.write(piece)) return req.once('drain', write);
      }
      return req.end();
    };
    write();
  });
}

async function main([what, url, count, bytes, framing, digest]) {
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: Number(count) }, (_, at) =>
      what === 'push' ? push(url, Number(bytes), digest, framing === 'chunked', at) : pull(url),
    ),
  );
  console.log(JSON.stringify({ seconds: (performance.now() - startedMs) / 1000 }));
}

if (process.argv[1] === import.meta.filename) await main(process.argv.slice(2));
