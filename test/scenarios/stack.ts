import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Stack } from '../fixtures/compose.ts';
import type { ContainerEngine } from '../fixtures/container-engine.ts';
import { eventually } from '../fixtures/eventually.ts';
import { incompressible, tar } from '../fixtures/image.ts';
import { connectFrom, fetchFrom, listenIn, type NetworkNamespace } from '../fixtures/network-namespace.ts';
import type { Outcome } from '../fixtures/program.ts';

const services = ['balancer', 'tagwarden-1', 'tagwarden-2', 'registry', 'valkey'];
const inner = services.slice(1);
/** The port of each service that somebody is meant to connect to. */
const ports: Readonly<Record<string, number>> = {
  'tagwarden-1': 8080,
  'tagwarden-2': 8080,
  registry: 5000,
  valkey: 6379,
};

/** Where docker-compose.yml runs, and a machine outside. */
export interface Site {
  readonly engine: ContainerEngine;
  readonly stack: Stack;
  readonly outsider: NetworkNamespace;
  readonly outsiderAddress: string;
  /** The front door, as the outsider knows it. */
  readonly door: string;
  /** The front door, as the engine itself knows it. */
  readonly localDoor: string;
}

/** What docker-compose.yml promises of who reaches whom. */
export function isolationScenarios(t: Test, site: () => Site): void {
  /** Where a service listens, on every network that it is on: `ADDRESS:PORT`. */
  const doorsOf = async (...names: readonly string[]): Promise<readonly string[]> => {
    const found = names.map(async (service) =>
      Object.values(await site().stack.addressesOf(service)).map((ip) => `${ip}:${ports[service] ?? 0}`),
    );
    return (await Promise.all(found)).flat();
  };
  const connect = async (service: string, ...targets: readonly string[]): Promise<readonly string[]> =>
    connectFrom(await site().stack.networkOf(service), ...targets);

  t.test('every service is healthy, unprivileged, and has a root that is read-only', async (t) => {
    const { engine, stack } = site();
    for (const service of services) {
      const container = stack.containerOf(service);
      await engine.untilHealth(container, 'healthy');
      const { HostConfig: settings, RestartCount: restarts } = JSON.parse(
        await engine.inspect(container, '{{json .}}'),
      ) as { HostConfig: object; RestartCount: number };
      const strict = { ReadonlyRootfs: true, CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges:true'] };
      t.match({ ...settings, restarts }, { ...strict, Init: true, restarts: 0 }, service);
    }
  });

  t.test('the front door is all that is published', async (t) => {
    const { engine, stack } = site();
    for (const service of inner) {
      t.equal(
        await engine.inspect(stack.containerOf(service), '{{json .HostConfig.PortBindings}}'),
        '{}',
        service,
      );
    }
    const volumes = await engine.docker('volume', 'ls', '--quiet');
    t.strictSame(volumes.split('\n'), ['stack_registry', 'stack_valkey'], 'what is kept has a name');
  });

  t.test('a machine outside reaches the front door, and nothing behind it', async (t) => {
    const { outsider, door } = site();
    t.equal((await fetchFrom(outsider, `${door}/v2/`)).status, 200);
    const doors = await doorsOf(...inner);
    t.equal(doors.length, 8, doors.join(', '));
    t.notOk((await connectFrom(outsider, ...doors)).includes('connected'));
  });

  t.test('only the Tagwardens reach the registry and Valkey', async (t) => {
    const doors = await doorsOf('registry', 'valkey');
    t.equal(doors.length, 2, 'each is on one network');
    // At the same time: those that are let nowhere wait for two seconds.
    const [first, second, balancer, registry, valkey] = await Promise.all([
      connect('tagwarden-1', ...doors),
      connect('tagwarden-2', ...doors),
      connect('balancer', ...doors),
      connect('registry', ...doors),
      connect('valkey', ...doors),
    ]);
    t.strictSame(first, ['connected', 'connected']);
    t.strictSame(second, ['connected', 'connected']);
    t.notOk(balancer.includes('connected'));
    t.not(registry[1], 'connected', 'the registry does not reach Valkey');
    t.not(valkey[0], 'connected', 'Valkey does not reach the registry');
  });

  t.test('nothing behind the front door reaches the world', async (t) => {
    const { outsider, outsiderAddress } = site();
    await listenIn(t, outsider, 7777);
    const target = `${outsiderAddress}:7777`;
    t.strictSame(await connect('balancer', target), ['connected']);
    const ends = await Promise.all(inner.map((service) => connect(service, target)));
    for (const [index, service] of inner.entries()) t.not(ends[index]?.[0], 'connected', service);
  });
}

/** What docker-compose.yml promises to those who push. */
export function pushScenarios(t: Test, site: () => Site): void {
  /** An image with this in it; the same at every call. */
  const image = async (text: string): Promise<string> => {
    const { docker, tryDocker } = site().engine;
    const name = `local/${text}`;
    if ((await docker('image', 'ls', '--quiet', name)) !== '') return name;
    const input = tar({ 'a.txt': text, 'layer.bin': incompressible(3 * 2 ** 20) });
    await tryDocker(['import', '-', name], { input });
    return name;
  };
  /** As this machine's docker pushes. */
  const push = async (name: string, text: string): Promise<Outcome> => {
    const { engine, localDoor } = site();
    await engine.docker('tag', await image(text), `${localDoor}/${name}`);
    return engine.tryDocker(['push', `${localDoor}/${name}`]);
  };
  const doorStatus = async (): Promise<number> =>
    (await fetchFrom(site().outsider, `${site().door}/v2/`)).status;
  const start = async (service: string): Promise<void> => {
    const { engine, stack } = site();
    await engine.docker('start', stack.containerOf(service));
    await engine.untilHealth(stack.containerOf(service), 'healthy');
  };
  /** Ends a Tagwarden as `docker stop` does; answers its exit code. */
  const stop = async (service: string): Promise<string> => {
    const { engine, stack } = site();
    await engine.docker('stop', '--time=40', stack.containerOf(service));
    await eventually('the front door serves', async () => (await doorStatus()) === 200, 10_000);
    return engine.inspect(stack.containerOf(service), '{{.State.ExitCode}}');
  };

  t.test('a tag that one Tagwarden created the other one keeps', async (t) => {
    const name = 'flightjs/flight:v1.0';
    t.equal(await stop('tagwarden-2'), '0', 'its end is an orderly one');
    const created = await push(name, 'first');
    t.equal(created.exitCode, 0, created.lastLine);
    const digest = /digest: (sha256:[0-9a-f]{64})/.exec(created.output)?.[1];

    await start('tagwarden-2');
    t.equal(await stop('tagwarden-1'), '0', 'its end is an orderly one');
    const refused = await push(name, 'second');
    t.equal(refused.exitCode, 1);
    t.match(refused.lastLine, /^denied: tag is immutable; flightjs\/flight:v1\.0 is sha256:/);
    const again = await push(name, 'first');
    t.equal(again.exitCode, 0, `the same again is no overwrite: ${again.lastLine}`);
    const headers = { accept: 'application/vnd.docker.distribution.manifest.v2+json' };
    const stored = await fetchFrom(site().outsider, `${site().door}/v2/flightjs/flight/manifests/v1.0`, {
      headers,
    });
    t.equal(stored.headers['docker-content-digest'], digest);
    await start('tagwarden-1');
  });

  t.test('uploads go on at the address that the client used, whatever it says of itself', async (t) => {
    const { outsider, door } = site();
    const headers = {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      forwarded: 'host=evil.example;proto=https',
    };
    const begun = await fetchFrom(outsider, `${door}/v2/any/app/blobs/uploads/`, { method: 'POST', headers });
    t.equal(begun.status, 202);
    t.ok(
      begun.headers.location?.startsWith(`${door}/v2/any/app/blobs/uploads/`),
      begun.headers.location ?? '',
    );
  });

  t.test('a path arrives as it was spelled, and is refused for it', async (t) => {
    const { outsider, door } = site();
    const at = `${door}/v2/flightjs/flight/%6danifests/v1.0`;
    t.match(await fetchFrom(outsider, at, { method: 'PUT', body: '{}' }), {
      status: 400,
      body: /NAME_INVALID/,
    });
  });

  t.test('the registry hears who asks', async (t) => {
    const { engine, stack, outsider, outsiderAddress, door } = site();
    const headers = { 'x-forwarded-for': '198.51.100.7' };
    await fetchFrom(outsider, `${door}/v2/who/asks/tags/list`, { headers });
    const heard = async (): Promise<string | undefined> =>
      (await engine.docker('logs', stack.containerOf('registry')))
        .split('\n')
        .find((line) => line.includes('/v2/who/asks/tags/list') && line.includes('remoteaddr='));
    await eventually('the registry has logged it', async () => (await heard()) !== undefined);
    t.match(await heard(), `remoteaddr=${outsiderAddress} `);
  });

  t.test('a change of the rules file is in force on both', async (t) => {
    const { stack } = site();
    const file = join(stack.directory, 'deploy/compose/rules.yaml');
    const before = readFileSync(file, 'utf8');
    const rule = '  - { repository_path_pattern: closed/*, minimum_access_level_for_push: no_access }\n';
    writeFileSync(file, before.replace('repository_rules:\n', `repository_rules:\n${rule}`));
    t.teardown(() => {
      writeFileSync(file, before);
    });
    const balancer = await stack.networkOf('balancer');
    for (const service of ['tagwarden-1', 'tagwarden-2']) {
      const { doors = '' } = await stack.addressesOf(service);
      const uploads = `http://${doors}:8080/v2/closed/app/blobs/uploads/`;
      const answer = async (): Promise<number> =>
        (await fetchFrom(balancer, uploads, { method: 'POST' })).status;
      await eventually(`${service} denies`, async () => (await answer()) === 403, 30_000);
      t.pass(`${service} denies`);
    }
  });

  t.test('Valkey is killed, and has what it had', async (t) => {
    const { engine, stack } = site();
    await engine.docker('kill', stack.containerOf('valkey'));
    await start('valkey');
    // Without its data a quarantine would begin: no new immutable tag for two minutes.
    const made = async (): Promise<boolean> => (await push('flightjs/flight:v1.1', 'first')).exitCode === 0;
    await eventually('a new immutable tag is made', made, 60_000);
    t.match((await push('flightjs/flight:v1.1', 'second')).lastLine, /^denied: tag is immutable; /);
  });
}
