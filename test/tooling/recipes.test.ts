import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { usersText } from '../fixtures/builtin.ts';
import { freePort } from '../fixtures/free-port.ts';
import { imageOf, writeLayout } from '../fixtures/image.ts';
import { runNginx } from '../fixtures/nginx.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { startRegistry } from '../fixtures/registry.ts';
import { serverCertificate } from '../fixtures/server-certificate.ts';
import { skopeoClient, skopeoWithLogin } from '../fixtures/skopeo.ts';
import { snippetsOf } from '../fixtures/snippets.ts';
import { projectRoot } from '../fixtures/start.ts';
import { startTagwarden } from '../fixtures/tagwarden.ts';

// What docs/recipes.md has is what is run here.

const page = 'docs/recipes.md';
const releases = `tag_rules:
  - { id: releases, tag_name_pattern: '^v\\d', immutable: true }
`;
const [front = '', keyHolder = ''] = snippetsOf(page, 'nginx');

/** Runs a `server` of the page, with other places than it says. */
async function runServer(t: Test, server: string, places: Readonly<Record<string, string>>): Promise<void> {
  const directory = temporaryDirectory(t);
  const readyPort = await freePort();
  const moved = Object.entries(places).reduce((text, [place, other]) => {
    if (!text.includes(place)) throw new Error(`${page} does not have: ${place}`);
    return text.replaceAll(place, other);
  }, server);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(directory, name)};`,
  );
  const file = join(directory, 'nginx.conf');
  writeFileSync(
    file,
    `${process.getuid?.() === 0 ? 'user root;' : ''}
    worker_processes 1;
    pid ${join(directory, 'pid')};
    events { worker_connections 256; }
    http {
      access_log off;
      ${temporary.join('\n')}
      server { listen 127.0.0.1:${readyPort}; return 204; }
      ${moved}
    }`,
  );
  await runNginx(t, { directory, file, readyUrl: `http://127.0.0.1:${readyPort}/` });
}

/** A layout with two images, `first` and `second`. */
function twoImages(t: Test): string {
  const layout = join(temporaryDirectory(t), 'images');
  writeLayout(layout, { first: imageOf('first'), second: imageOf('second') });
  return layout;
}

t.test('nginx in front: a push arrives over TLS, and a release stays what it is', async (t) => {
  const [registry, { certificate, key }, port] = await Promise.all([
    startRegistry(t),
    serverCertificate(t),
    freePort(),
  ]);
  const flags = ['--public-url', `https://127.0.0.1:${port}`, '--trusted-proxies', '127.0.0.1'];
  const tagwarden = await startTagwarden(t, { upstream: registry.url, rules: releases, flags });
  await runServer(t, front, {
    'listen 443 ssl;': `listen 127.0.0.1:${port} ssl;`,
    'server_name registry.example;': '',
    '/etc/nginx/tls/registry.crt': certificate,
    '/etc/nginx/tls/registry.key': key,
    'http://127.0.0.1:8080': tagwarden.url,
  });
  const layout = twoImages(t);
  const reference = `127.0.0.1:${port}/flightjs/flight:v1.0`;
  const pushed = await skopeoClient.push(layout, 'first', reference);
  t.equal(pushed.exitCode, 0, pushed.output);
  t.match((await skopeoClient.push(layout, 'second', reference)).output, 'denied: tag is immutable');
  const past = (await registry.requests()).filter(
    (line) => line.startsWith('PATCH') || line.startsWith('POST'),
  );
  t.ok(past.length > 0, 'uploads went on through nginx and Tagwarden');
});

t.test(
  'a key holder: clients log in to Tagwarden, and never see the credentials of the registry',
  async (t) => {
    const directory = temporaryDirectory(t);
    const registryUsers = join(directory, 'registry.htpasswd');
    writeFileSync(registryUsers, usersText({ provider: 'provider-password' }).replace('# users\n', ''));
    const registry = await startRegistry(t, undefined, {
      htpasswd: { realm: 'provider', path: registryUsers },
    });
    const credentials = join(directory, 'registry-credentials.conf');
    const basic = Buffer.from('provider:provider-password').toString('base64');
    writeFileSync(credentials, `proxy_set_header Authorization "Basic ${basic}";\n`);
    const port = await freePort();
    await runServer(t, keyHolder, {
      'listen 127.0.0.1:5000;': `listen 127.0.0.1:${port};`,
      // Without TLS here; that it is verified, its own directives say.
      'proxy_pass https://registry.provider.example;': `proxy_pass ${registry.url};`,
      '/etc/nginx/registry-credentials.conf': credentials,
    });
    const usersFile = join(directory, 'users.htpasswd');
    writeFileSync(usersFile, usersText({ dev: 'dev-password' }));
    const tagwarden = await startTagwarden(t, {
      upstream: `http://127.0.0.1:${port}`,
      rules: releases,
      config: `auth: { mode: builtin, users_file: ${usersFile}, signing_key_file: ${join(directory, 'signing.key')} }\n`,
    });
    const client = skopeoWithLogin.clientIn(directory);
    const layout = twoImages(t);
    const address = new URL(tagwarden.url).host;
    t.not((await client.push(layout, 'first', `${address}/a/b:v1`)).exitCode, 0, 'nothing without a login');
    t.equal((await client.login(address, { name: 'dev', password: 'dev-password' })).exitCode, 0);
    const pushed = await client.push(layout, 'first', `${address}/a/b:v1`);
    t.equal(pushed.exitCode, 0, pushed.output);
    t.match((await client.push(layout, 'second', `${address}/a/b:v1`)).output, 'denied: tag is immutable');
    t.equal((await fetch(`${registry.url}/v2/`)).status, 401, 'the registry itself wants its own');
  },
);

/** Every `tagwarden.yaml` of the page. */
const configurations = snippetsOf(page, 'yaml').filter((text) => text.startsWith('# tagwarden.yaml\n'));

function loaded(t: Test, text: string): Config {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'tagwarden.yaml'), text);
  writeFileSync(join(directory, 'harbor-ca.crt'), '-----BEGIN CERTIFICATE-----\n');
  const result = loadConfig({ argv: ['--config', 'tagwarden.yaml'], env: {}, cwd: directory });
  if ('errors' in result) throw new Error(result.errors.join('\n'));
  return result.config;
}

t.test('every tagwarden.yaml is good', (t) => {
  const modes = configurations.map((text) => loaded(t, text).auth.mode);
  t.strictSame(modes, ['token', 'upstream', 'anonymous', 'builtin']);
  const [inline = ''] =
    /(?<=`)auth: \{ mode: upstream, [^`]*/.exec(readFileSync(join(projectRoot, page), 'utf8')) ?? [];
  t.match(loaded(t, `${configurations[2] ?? ''}${inline}\n`), {
    auth: { mode: 'upstream', trustBasicUsername: true },
  });
  t.end();
});

t.test("GitLab's registry listens where Tagwarden looks for it, and GitLab asks Tagwarden", (t) => {
  const [ruby = ''] = snippetsOf(page, 'ruby');
  const { upstream, listen } = loaded(t, configurations[0] ?? '');
  t.match(ruby, `registry['registry_http_addr'] = '${new URL(upstream.url).host}'`);
  t.match(ruby, `gitlab_rails['registry_api_url'] = 'http://${listen.host}:${listen.port}'`);
  t.match(ruby, "registry_nginx['enable'] = false");
  t.end();
});

t.test('Traefik cuts no upload, holds none back, and repeats nothing', (t) => {
  const yaml = snippetsOf(page, 'yaml');
  const named = (name: string): unknown => parse(yaml.find((text) => text.startsWith(`# ${name}`)) ?? '');
  t.match(named('traefik.yaml'), {
    entryPoints: { websecure: { transport: { respondingTimeouts: { readTimeout: '0s' } } } },
    providers: { file: { filename: '/etc/traefik/registry.yaml' } },
  });
  const dynamic = named('/etc/traefik/registry.yaml');
  t.match(dynamic, {
    http: {
      routers: { registry: { entryPoints: ['websecure'], service: 'tagwarden', tls: {} } },
      services: { tagwarden: { loadBalancer: { servers: [{ url: 'http://127.0.0.1:8080' }] } } },
    },
  });
  t.notMatch(JSON.stringify(dynamic), /middlewares|retry|buffering/);
  t.end();
});

t.test('zot listens on loopback, where Tagwarden looks for it', (t) => {
  const [json = ''] = snippetsOf(page, 'json');
  const { http } = JSON.parse(json) as { http: { address: string; port: string } };
  t.equal(`http://${http.address}:${http.port}`, loaded(t, configurations[2] ?? '').upstream.url);
  t.equal(http.address, '127.0.0.1');
  t.end();
});
