import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { imageName, type ContainerEngine } from '../fixtures/container-engine.ts';
import { projectRoot } from '../fixtures/start.ts';

const mostAdded = 40_000_000;
/** As docs/compose.md says to run it; asked more often whether it is healthy. */
const strict = [
  '--read-only',
  '--cap-drop=ALL',
  '--security-opt=no-new-privileges',
  '--network=none',
  '--health-interval=1s',
];

/** What must hold for the image that the Dockerfile makes. */
export function imageScenarios(t: Test, engine: () => ContainerEngine): void {
  const inspect: ContainerEngine['inspect'] = (...args) => engine().inspect(...args);
  const untilHealth: ContainerEngine['untilHealth'] = (...args) => engine().untilHealth(...args);

  /** Runs the image, with no registry behind it; the container's name. */
  const start = async (t: Test, options: readonly string[], ...flags: readonly string[]): Promise<string> => {
    const rules = `--volume=${projectRoot}/config/rules.yaml:/etc/tagwarden/rules.yaml:ro`;
    const serve = [
      'serve',
      '--rules=/etc/tagwarden/rules.yaml',
      '--upstream=http://127.0.0.1:5000',
      ...flags,
    ];
    const name = await engine().docker('run', '--detach', ...strict, rules, ...options, imageName, ...serve);
    t.teardown(() => engine().docker('rm', '--force', '--volumes', name));
    return name;
  };
  const evaluate = async (name: string, script: string): Promise<string> =>
    (await engine().tryDocker(['exec', name, 'node', '-p', script])).output.trim();

  t.test('the image adds no more than 40 MB to node:24-slim', async (t) => {
    const size = async (name: string): Promise<number> => Number(await inspect(name, '{{.Size}}'));
    const added = (await size(imageName)) - (await size('node:24-slim'));
    t.ok(added > 1_000_000 && added <= mostAdded, `${added} bytes`);
  });

  t.test('the image says what it is, and has nothing that only builds it', async (t) => {
    const about = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as { version: string };
    const label = (name: string): Promise<string> =>
      inspect(imageName, `{{index .Config.Labels "org.opencontainers.image.${name}"}}`);
    t.equal(await label('version'), about.version);
    t.equal(await label('licenses'), 'Apache-2.0');
    t.equal(await engine().docker('run', '--rm', imageName, '--version'), about.version);
    const modules = await engine().docker(
      'run',
      '--rm',
      '--entrypoint=ls',
      imageName,
      '/opt/tagwarden/node_modules',
    );
    t.match(modules, /^undici$/m);
    t.notMatch(modules, /^(?:typescript|tap|eslint)$/m);
  });

  for (const init of [true, false]) {
    t.test(
      `it runs as nobody special on a root that is read-only, ${init ? 'with' : 'without'} --init`,
      async (t) => {
        const name = await start(t, [`--init=${String(init)}`]);
        await untilHealth(name, 'healthy');
        t.equal(await evaluate(name, 'process.getuid() + ":" + process.getgid()'), '1000:1000');
        t.match(await evaluate(name, 'process.version'), /^v24\./);
        const write = (path: string): string => `fs.writeFileSync(${JSON.stringify(path)}, ""), "written"`;
        t.match(await evaluate(name, write('/tmp/x')), 'EROFS');
        t.equal(await evaluate(name, write('/var/lib/tagwarden/x')), 'written');
        t.match(await evaluate(name, 'fs.readdirSync("/var/lib/tagwarden/.tagwarden")'), 'claims.journal');

        await engine().docker('stop', '--time=20', name);
        t.equal(await inspect(name, '{{.State.ExitCode}}'), '0', 'SIGTERM ends it');
        t.match(await engine().docker('logs', name), '"msg":"closed"');
      },
    );
  }

  t.test('who does not answer where probes ask is unhealthy', async (t) => {
    // Zero would be the image's own.
    const options = ['--health-retries=1', '--health-start-period=1ms'];
    const name = await start(t, options, '--admin-listen=127.0.0.1:9999');
    await untilHealth(name, 'unhealthy');
    t.equal(await inspect(name, '{{.State.Running}}'), 'true');
  });
}
