import type { Test } from 'tap';
import { digestOf, imageOf, indexOf } from '../fixtures/image.ts';
import { startRegistry, type RegistryRelease } from '../fixtures/registry.ts';
import { rulesElsewhere, startTagwarden } from '../fixtures/tagwarden.ts';

/** Every endpoint of the distribution-spec answers through Tagwarden as it answers directly. */
export function endpointScenario(t: Test, release: RegistryRelease): void {
  t.test(`${release.name}: every endpoint answers through Tagwarden as it does directly`, async (t) => {
    const direct = await visitEndpoints((await startRegistry(t, release)).url);
    const behind = await startRegistry(t, release);
    const through = await startTagwarden(t, { upstream: behind.url, rules: rulesElsewhere });
    t.ok(direct.length > 50, `${direct.length} requests`);
    t.strictSame(await visitEndpoints(through.url), direct);
  });
}

interface Answer {
  readonly what: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

// Of one connection, of one moment, or of one request.
const passing = ['connection', 'keep-alive', 'transfer-encoding', 'date', 'x-request-id'];

/** Asks an empty registry everything that the spec knows, in an order in which most of it succeeds. */
async function visitEndpoints(url: string): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  let session = '';
  const ask = async (
    method: string,
    path: string,
    body?: Buffer,
    headers: Record<string, string> = {},
  ): Promise<void> => {
    const target = new URL(path, url);
    const response = await fetch(target, { method, headers, redirect: 'manual', ...(body && { body }) });
    const location = response.headers.get('location');
    if (location?.includes('/uploads/')) session = location;
    const kept = [...response.headers].filter(([name]) => !passing.includes(name));
    answers.push({
      what: settled(`${method} ${target.pathname}${target.search}`, url),
      status: response.status,
      headers: Object.fromEntries(kept.map(([name, value]) => [name, settled(value, url)])),
      // distribution 2.8 announces more of a 416 than it sends.
      body: settled(await response.text().catch(() => 'cut short'), url),
    });
  };
  const withQuery = (query: string): string => `${session}${session.includes('?') ? '&' : '?'}${query}`;

  await ask('GET', '/v2/');
  await ask('HEAD', '/v2/');
  await visitBlobs(ask, () => session, withQuery);
  await visitManifests(ask);
  await visitDeletes(ask);
  return answers;
}

type Ask = (method: string, path: string, body?: Buffer, headers?: Record<string, string>) => Promise<void>;

const image = imageOf('of the endpoints');
const index = indexOf('of the endpoints');
const bytes = { 'content-type': 'application/octet-stream' };
const uploads = '/v2/any/app/blobs/uploads/';

async function visitBlobs(
  ask: Ask,
  session: () => string,
  withQuery: (query: string) => string,
): Promise<void> {
  const [config, layer] = [
    image.blobs[0]?.bytes ?? Buffer.alloc(0),
    image.blobs[1]?.bytes ?? Buffer.alloc(0),
  ];
  // In one request, in two, in pieces, cancelled, with a wrong digest, by mounting.
  await ask('POST', `${uploads}?digest=${digestOf(config)}`, config, bytes);
  await ask('POST', uploads);
  await ask('PUT', withQuery(`digest=${digestOf(config)}`), config, bytes);
  await ask('POST', uploads);
  await ask('PATCH', session(), layer.subarray(0, 512), { ...bytes, 'content-range': '0-511' });
  await ask('GET', session());
  await ask('PATCH', session(), layer.subarray(512), {
    ...bytes,
    'content-range': `512-${layer.length - 1}`,
  });
  await ask('PUT', withQuery(`digest=${digestOf(layer)}`));
  await ask('POST', uploads);
  await ask('DELETE', session());
  await ask('POST', uploads);
  await ask('PUT', withQuery(`digest=${digestOf(Buffer.from('other'))}`), config, bytes);
  for (const [mount, from] of [
    [digestOf(layer), 'any/app'],
    [digestOf(Buffer.from('absent')), 'any/app'],
  ] as const) {
    await ask('POST', `/v2/any/second/blobs/uploads/?mount=${mount}&from=${from}`);
  }
  for (const blob of index.manifests.flatMap(({ blobs }) => blobs)) {
    await ask('POST', uploads);
    await ask('PUT', withQuery(`digest=${blob.descriptor.digest}`), blob.bytes, bytes);
  }
  for (const method of ['GET', 'HEAD']) {
    await ask(method, `/v2/any/app/blobs/${digestOf(layer)}`);
    await ask(method, `/v2/any/app/blobs/${digestOf(Buffer.from('absent'))}`);
  }
  await ask('GET', `/v2/any/app/blobs/${digestOf(layer)}`, undefined, { range: 'bytes=10-19' });
  await ask('GET', `/v2/any/app/blobs/${digestOf(layer)}`, undefined, { range: 'bytes=999999-' });
}

const manifests = '/v2/any/app/manifests/';
const accept = { accept: `${image.descriptor.mediaType}, ${index.descriptor.mediaType}` };

async function visitManifests(ask: Ask): Promise<void> {
  const typed = (content: typeof image | typeof index): Record<string, string> => ({
    'content-type': content.descriptor.mediaType,
  });
  await ask('PUT', `${manifests}v1`, image.bytes, typed(image));
  await ask('PUT', manifests + image.descriptor.digest, image.bytes, typed(image));
  await ask('PUT', `${manifests}v1`, index.bytes, typed(index));
  for (const child of index.manifests)
    await ask('PUT', manifests + child.descriptor.digest, child.bytes, typed(image));
  await ask('PUT', `${manifests}all`, index.bytes, typed(index));
  await ask('PUT', `${manifests}${image.descriptor.digest}?tag=extra&tag=more`, image.bytes, typed(image));
  await ask('PUT', `${manifests}broken`, Buffer.from('{"schemaVersion": 2'), typed(image));
  await ask('PUT', manifests + digestOf(Buffer.from('other')), image.bytes, typed(image));
  for (const reference of ['v1', 'all', 'absent', image.descriptor.digest, digestOf(Buffer.from('absent'))]) {
    await ask('GET', manifests + reference, undefined, accept);
    await ask('HEAD', manifests + reference, undefined, accept);
  }
  await ask('GET', '/v2/any/app/tags/list');
  await ask('GET', '/v2/any/app/tags/list?n=1');
  await ask('GET', '/v2/any/app/tags/list?n=1&last=all');
  await ask('GET', '/v2/any/absent/tags/list');
  await ask('GET', '/v2/_catalog');
  await ask('GET', '/v2/_catalog?n=1');
  await ask('GET', `/v2/any/app/referrers/${image.descriptor.digest}`);
  await ask('GET', `/v2/any/app/referrers/${image.descriptor.digest}?artifactType=a/b`);
}

async function visitDeletes(ask: Ask): Promise<void> {
  await ask('DELETE', `${manifests}all`);
  await ask('DELETE', `${manifests}absent`);
  await ask('DELETE', manifests + index.descriptor.digest);
  await ask('DELETE', manifests + index.descriptor.digest);
  await ask('DELETE', `/v2/any/app/blobs/${image.blobs[1]?.descriptor.digest ?? ''}`);
  await ask('DELETE', `/v2/any/app/blobs/${digestOf(Buffer.from('absent'))}`);
  await ask('GET', '/v2/any/app/tags/list');
}

/** Without what differs from registry to registry: its address, the names of its upload sessions, their state. */
function settled(text: string, url: string): string {
  return text
    .replaceAll(url, 'http://registry')
    .replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'SESSION')
    .replace(/_state=[\w%=-]+/g, '_state=STATE');
}
