import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// Images made here, byte for byte the same everywhere: a demonstration and tests need no pull from anywhere.

/** Content with its descriptor, as the image-spec calls them. */
function describe(mediaType, bytes) {
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes };
}

export function digestOf(bytes) {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** An image of one layer with these files (name → content). */
export function buildImage(files, architecture = 'amd64') {
  // Not compressed: fast at any size, and the same bytes whatever the version of zlib.
  const layer = describe('application/vnd.oci.image.layer.v1.tar', tar(files));
  const config = describeJson('application/vnd.oci.image.config.v1+json', {
    created: '2026-01-01T00:00:00Z',
    architecture,
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [layer.descriptor.digest] },
    history: [{ created: '2026-01-01T00:00:00Z', created_by: 'tagwarden' }],
  });
  const manifest = describeJson('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: config.descriptor,
    layers: [layer.descriptor],
  });
  return { ...manifest, platform: { architecture, os: 'linux' }, blobs: [config, layer], manifests: [] };
}

/** An index of images, one for each platform. */
export function buildIndex(images) {
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const manifests = images.map(({ descriptor, platform }) => ({ ...descriptor, platform }));
  return {
    ...describeJson(mediaType, { schemaVersion: 2, mediaType, manifests }),
    blobs: [],
    manifests: images,
  };
}

/** Writes an OCI image layout, which skopeo, crane and oras read: the tag → the image or index. */
export function writeLayout(directory, tags) {
  const blobs = join(directory, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const write = ({ descriptor, bytes }) =>
    writeFileSync(join(blobs, descriptor.digest.slice('sha256:'.length)), bytes);
  const writeAll = (content) => {
    content.manifests.forEach(writeAll);
    [...content.blobs, content].forEach(write);
  };
  Object.values(tags).forEach(writeAll);
  const manifests = Object.entries(tags).map(([tag, { descriptor }]) => ({
    ...descriptor,
    annotations: { 'org.opencontainers.image.ref.name': tag },
  }));
  writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  writeFileSync(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}

function describeJson(mediaType, value) {
  return describe(mediaType, Buffer.from(JSON.stringify(value)));
}

/** A tar archive (POSIX ustar) of plain files. */
export function tar(files) {
  const entries = Object.entries(files).flatMap(([name, content]) => {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    return [tarHeader(name, bytes.length), bytes, Buffer.alloc(-bytes.length & 511)];
  });
  return Buffer.concat([...entries, Buffer.alloc(1024)]);
}

function tarHeader(name, size) {
  const header = Buffer.alloc(512);
  const octal = (value, length) => value.toString(8).padStart(length - 1, '0') + '\0';
  header.write(name, 0, 100);
  header.write(octal(0o644, 8) + octal(0, 8) + octal(0, 8) + octal(size, 12) + octal(0, 12), 100);
  header.write(' '.repeat(8) + '0', 148);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
