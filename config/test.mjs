import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrograms, ensureWhereKnown } from './debian.mjs';
import { buildGoPrograms } from './go-modules.mjs';
import { build, CannotContinue, installDependencies, root, run, runScript } from './project.mjs';

/** What the tests with real components run: registry, clients, a Docker engine, a server that normalises paths, Redis. */
const programs = [
  ...['docker-registry', 'skopeo', 'docker', 'dockerd', 'containerd', 'runc', 'nginx'],
  ...['redis-server', 'redis-sentinel', 'redis-cli'],
];

/** What the tests of Dockerfile and docker-compose.yml run beside. */
const containerPrograms = ['ip', 'busybox', 'docker-compose'];

// npm test                  everything but the matrix
// npm test -- test/core     only these files or folders
// npm test -- --matrix      the matrix of registries and clients that are built from Go modules
await runScript((args) => {
  const selected = args.filter((arg) => !arg.startsWith('-'));
  const options = args.filter((arg) => arg.startsWith('-') && arg !== '--matrix');
  installDependencies();
  if (selected.length > 0) return tap([...options, '--disable-coverage', ...selected.flatMap(testsIn)]);
  ensurePrograms(...programs);
  for (const name of ensureWhereKnown('valkey-server'))
    console.error(`This release of Debian does not have ${name}: its tests will be skipped.`);
  if (process.getuid?.() !== 0)
    throw new CannotContinue('The tests start a Docker engine of their own: run them as root.');
  if (args.includes('--matrix')) return testMatrix(options);
  run('npm', ['run', 'lint'], { why: 'Lint' });
  run('npm', ['run', 'typecheck'], { why: 'The type check' });
  build();
  return tap(options);
});

function testMatrix(options) {
  ensurePrograms(...containerPrograms);
  const missing = buildGoPrograms();
  for (const name of missing)
    console.error(`The Go module proxy does not have ${name}: its tests will be skipped.`);
  tap([...options, '--disable-coverage', ...testsIn('test/matrix')]);
}

function testsIn(path) {
  if (!statSync(join(root, path), { throwIfNoEntry: false })?.isDirectory()) return [path];
  return readdirSync(join(root, path), { recursive: true })
    .filter((name) => /\.(test|matrix)\.ts$/.test(name))
    .map((name) => join(path, name));
}

function tap(args) {
  run(process.execPath, ['node_modules/.bin/tap', ...args], { why: 'The tests', stdio: ['ignore', 1, 2] });
}
