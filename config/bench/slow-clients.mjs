import { get, request } from 'node:http';

// node config/bench/slow-clients.mjs URL BLOB COUNT SECONDS
// So many pulls and as many pushes at once, each by a client that takes, or gives, 256 KiB and then a rest; breaks off
// after some seconds. Prints how many bytes went through.

const piece = Buffer.alloc(256 * 1024, 'x');
const restMs = 20;
let bytes = 0;

function pull(url) {
  get(url, { agent: false }, (res) => {
    let taken = 0;
    res.on('data', (chunk) => {
      bytes += chunk.length;
      taken += chunk.length;
      if (taken < piece.length) return;
      taken = 0;
      res.pause();
      setTimeout(() => res.resume(), restMs);
    });
    res.on('error', () => {});
  }).on('error', () => {});
}

async function push(url, at) {
  const started = await fetch(`${url}/v2/bench/slow-${at}/blobs/uploads/`, { method: 'POST' });
  const session = new URL(started.headers.get('location'), url);
  const req = request(session, { method: 'PATCH', agent: false });
  req.on('error', () => {});
  const give = () => {
    bytes += piece.length;
    if (req.write(piece)) setTimeout(give, restMs);
    else req.once('drain', () => setTimeout(give, restMs));
  };
  give();
}

const [url, blob, count, seconds] = process.argv.slice(2);
for (let at = 0; at < Number(count); at++) {
  pull(url + blob);
  push(url, at).catch((error) => {
    console.error(error);
    process.exit(1);
  });
}
setTimeout(
  () => {
    console.log(JSON.stringify({ bytes }));
    process.exit(0);
  },
  Number(seconds) * 1000,
);
