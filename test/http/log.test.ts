import t from 'tap';
import { ask } from '../fixtures/ask.ts';
import { manifest, startFront } from '../fixtures/front.ts';
import { logged } from '../fixtures/tagwarden.ts';

const headers = ['X-Forwarded-For', '203.0.113.9'];

t.test('the log names the client, and not the load balancer in front', async (t) => {
  const { tagwarden, url } = await startFront(t, undefined, { flags: ['--trusted-proxies', '127.0.0.1'] });
  await ask(url + manifest, { headers });
  t.match(await logged(tagwarden, ({ method }) => method === 'GET'), { client: '203.0.113.9' });
});

t.test('a client that nobody vouches for is its own address, whatever it says', async (t) => {
  const { tagwarden, url } = await startFront(t);
  await ask(url + manifest, { headers });
  t.match(await logged(tagwarden, ({ method }) => method === 'GET'), { client: '127.0.0.1' });
});
