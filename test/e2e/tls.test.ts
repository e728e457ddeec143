import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startDistribution } from '../../config/local-registry.mjs';
import { Authority, type Issued, type IssuedFiles } from '../fixtures/authority.ts';
import { startEngine } from '../fixtures/docker.ts';
import { eventually } from '../fixtures/eventually.ts';
import { buildImage, incompressible, writeLayout } from '../fixtures/image.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { distribution2 } from '../fixtures/registry.ts';
import { skopeoTrusting } from '../fixtures/skopeo.ts';
import { startTagwarden, type Tagwarden } from '../fixtures/tagwarden.ts';
import { askTls } from '../fixtures/tls-client.ts';

/** Whoever is ci pushes to flightjs; releases are immutable; all else is free. */
const rules = `repository_rules:
  - { repository_path_pattern: flightjs/*, minimum_access_level_for_push: maintainer }
tag_rules:
  - { tag_name_pattern: ^v1, immutable: true }
members:
  - { subject: ci, repository_path_pattern: flightjs/*, access_level: maintainer }
`;

interface Door {
  readonly tagwarden: Tagwarden;
  readonly authority: Authority;
  readonly files: IssuedFiles;
  readonly clients: Authority;
  readonly address: string;
}

/** TLS on both sides, with certificates on both sides of both. */
async function open(t: Test): Promise<Door> {
  const [authority, clients] = [await Authority.make(t), await Authority.make(t, 'CN=authority of clients')];
  const files = await authority.issueFiles('first', { subject: 'CN=first' });
  const inside = await authority.issueFiles('inside', {
    names: [{ type: 'dns', value: 'registry.internal' }],
  });
  const door = await clients.issueFiles('door', { use: 'client', names: [], subject: 'CN=door' });
  const registry = await startDistribution(distribution2.program(), temporaryDirectory(t), {
    tls: { certificate: inside.certFile, key: inside.keyFile, clientcas: [clients.caFile] },
  });
  t.teardown(() => {
    registry.stop();
    return registry.ended;
  });
  const tagwarden = await startTagwarden(t, {
    ...{ upstream: registry.url, rules },
    flags: [
      ...['--upstream-ca-file', authority.caFile, '--upstream-server-name', 'registry.internal'],
      ...['--upstream-client-cert-file', door.certFile, '--upstream-client-key-file', door.keyFile],
      ...['--tls-cert-file', files.certFile, '--tls-key-file', files.keyFile],
      ...['--tls-client-auth', 'optional', '--tls-client-ca-file', clients.caFile],
    ],
  });
  return { tagwarden, authority, files, clients, address: new URL(tagwarden.url).host };
}

/** What docker and skopeo read: whom to trust, and whom to be. */
function trust(t: Test, ca: string, shown?: Issued): string {
  const directory = temporaryDirectory(t);
  const files = { 'ca.crt': ca, ...(shown && { 'client.cert': shown.cert, 'client.key': shown.key }) };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

t.test('skopeo pushes and pulls over TLS, as whom its certificate names', async (t) => {
  const { authority, clients, address, tagwarden } = await open(t);
  const image = buildImage({ 'layer.bin': incompressible(20 * 2 ** 20) });
  const layout = join(temporaryDirectory(t), 'layout');
  writeLayout(layout, { image });
  const reference = `${address}/flightjs/flight:v1.0`;
  const [anyone, ci] = [
    skopeoTrusting(trust(t, authority.cert)),
    skopeoTrusting(
      trust(t, authority.cert, await clients.issue({ use: 'client', names: [], subject: 'CN=ci' })),
    ),
  ];

  const refused = await anyone.push(layout, 'image', reference);
  t.match(refused, { exitCode: 1, output: /denied: container protected/ });
  const pushed = await ci.push(layout, 'image', reference);
  t.equal(pushed.exitCode, 0, pushed.output);
  t.match(
    tagwarden.logs.findLast(({ msg }) => msg === 'wrote'),
    { caller: 'ci', reference: 'v1.0' },
  );
  const back = join(temporaryDirectory(t), 'layout');
  const pulled = await anyone.pull(reference, back, 'image');
  t.equal(pulled.exitCode, 0, pulled.output);
  const index = (of: string): string => readFileSync(join(of, 'index.json'), 'utf8');
  t.match(
    index(back),
    (JSON.parse(index(layout)) as { manifests: { digest: string }[] }).manifests[0]?.digest,
  );

  const stranger = await Authority.make(t, 'CN=a stranger');
  const mistrusting = skopeoTrusting(trust(t, stranger.cert));
  t.match(await mistrusting.pull(reference, back, 'again'), {
    exitCode: 1,
    output: /x509: certificate signed by/,
  });
});

t.test('docker pushes and pulls over TLS, while the certificate is replaced', async (t) => {
  const { authority, files, address, tagwarden } = await open(t);
  const engine = await startEngine(t);
  const name = `${address}/any/app:v1.0`;
  await engine.importImage(name, { 'layer.bin': incompressible(20 * 2 ** 20) });
  const second = await authority.issue({ subject: 'CN=second' });
  const pushing = engine.docker('push', name);
  for (const [path, text] of [
    [files.certFile, second.cert],
    [files.keyFile, second.key],
  ] as const) {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }
  const pushed = await pushing;
  t.match(pushed, { exitCode: 0, output: /digest: sha256:/ }, pushed.output);
  const question = { port: tagwarden.port, ca: authority.cert };
  await eventually('the second is served', async () => (await askTls(question)).commonName === 'second');
  await engine.docker('image', 'rm', name);
  t.match(await engine.docker('pull', name), { exitCode: 0 });
  await engine.importImage(name, { 'other.txt': 'another' });
  t.match(await engine.docker('push', name), { exitCode: 1, output: /denied: tag is immutable/ });
  t.ok(tagwarden.logs.some(({ userAgent }) => String(userAgent).startsWith('docker/')));
});
