import { digestOf } from '../oci-image.mjs';

export const manifestType = 'application/vnd.oci.image.manifest.v1+json';

/** A manifest of about 2 KB, as that of an image of eight layers is; each `name` makes another one. */
export function manifestOf(name, config, layers) {
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor),
    annotations: { name },
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  return { bytes, digest: digestOf(bytes), mediaType: manifestType };
}

export function blobOf(text, mediaType) {
  const bytes = Buffer.from(text);
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length } };
}

export const config = blobOf(
  '{"architecture":"amd64","os":"linux"}',
  'application/vnd.oci.image.config.v1+json',
);
export const layers = Array.from({ length: 8 }, (_, at) =>
  blobOf(`layer ${at}`, 'application/vnd.oci.image.layer.v1.tar+gzip'),
);

export async function pushBlobs(url, repository) {
  for (const { bytes, descriptor } of [config, ...layers]) {
    const started = await fetch(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
    const session = new URL(started.headers.get('location'), url);
    session.searchParams.set('digest', descriptor.digest);
    await expectStatus(201, fetch(session, { method: 'PUT', body: bytes }));
  }
}

/** Its digest. */
export async function pushImage(url, repository, tags, name = 'image') {
  await pushBlobs(url, repository);
  const image = manifestOf(name, config, layers);
  for (const tag of tags) await putManifest(url, repository, tag, image);
  return image.digest;
}

export function putManifest(url, repository, reference, { bytes, mediaType }) {
  const headers = { 'content-type': mediaType };
  return expectStatus(
    201,
    fetch(`${url}/v2/${repository}/manifests/${reference}`, { method: 'PUT', headers, body: bytes }),
  );
}

export async function expectStatus(status, answering) {
  const answer = await answering;
  const text = await answer.text();
  if (answer.status !== status) throw new Error(`${answer.url} answered ${answer.status}: ${text}`);
  return answer;
}
