import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrograms, ensureWhereKnown } from './debian.mjs';
import { buildGoPrograms } from './go-modules.mjs';
import { build, CannotContinue, installDependencies, root, run, runScript } from './project.mjs';
import { runTap } from './tap.mjs';

/** What the tests with real components run: registry, clients, a Docker engine, a server that normalises paths, Redis. */
const programs = [
  ...['docker-registry', 'skopeo', 'docker', 'dockerd', 'containerd', 'runc', 'nginx'],
  ...['redis-server', 'redis-sentinel', 'redis-cli'],
];

/** What the tests of Dockerfile and docker-compose.yml run beside. */
const containerPrograms = ['ip', 'busybox', 'docker-compose'];

/** What checks the alerts. */
const alertPrograms = ['promtool'];

/** Tests that reach into the process that serves, or start it otherwise. */
const ofOneProcess = {
  'test/http/token-keys-away.test.ts': 'it moves the clock of the process that serves',
  'test/http/memory.test.ts': 'it measures that process, and starts it itself',
};

/** The races, what may not be known twice, and what must be known to all of them at once. */
const tellingSuites = [
  'race',
  'delete-races',
  'delete-rules',
  'rules-while-reading',
  'tombstones',
  'warn',
  'token-logins',
  'api/unlocks',
].map((name) => `test/http/${name}.test.ts`);

// npm test                  everything but the matrix
// npm test -- --coverage     the same, and fails where too little of src is run by it
// npm test -- test/core     only these files or folders
// npm test -- --matrix      the matrix of registries and clients that are built from Go modules
// npm run test:workers      what clients see, before a Tagwarden of two workers; `-- --quick`: the telling part of it
await runScript(async (args) => {
  const selected = args.filter((arg) => !arg.startsWith('-'));
  const options = args.filter(
    (arg) => arg.startsWith('-') && !['--matrix', '--workers', '--quick', '--coverage'].includes(arg),
  );
  installDependencies();
  if (args.includes('--workers')) return testWorkers(options, selected, args.includes('--quick'));
  if (selected.length > 0) return runTap([...options, '--disable-coverage', ...selected.flatMap(testsIn)]);
  const isMatrix = args.includes('--matrix');
  // It takes as long as all that comes before the tests, and needs none of it.
  const lint = isMatrix ? undefined : startLint();
  ensurePrograms(...programs);
  for (const name of ensureWhereKnown('valkey-server'))
    console.error(`This release of Debian does not have ${name}: its tests will be skipped.`);
  if (process.getuid?.() !== 0)
    throw new CannotContinue('The tests start a Docker engine of their own: run them as root.');
  if (isMatrix) return testMatrix(options);
  run('npm', ['run', 'typecheck'], { why: 'The type check' });
  // What it builds has been checked.
  build(['--noCheck']);
  if ((await lint) !== 0) throw new CannotContinue('Lint failed.');
  // To count what is run costs a sixth of the time.
  return runTap([...options, ...(args.includes('--coverage') ? [] : ['--disable-coverage'])]);
});

/** Its exit code. */
function startLint() {
  const child = spawn('npm', ['run', 'lint'], { cwd: root, stdio: ['ignore', 2, 2] });
  return new Promise((resolve) => child.on('close', resolve).on('error', resolve));
}

function testMatrix(options) {
  ensurePrograms(...containerPrograms, ...alertPrograms);
  const missing = buildGoPrograms();
  for (const name of missing)
    console.error(`The Go module proxy does not have ${name}: its tests will be skipped.`);
  return runTap([...options, '--disable-coverage', ...testsIn('test/matrix')]);
}

/** The same tests, of which each Tagwarden is one of two workers (test/fixtures/tagwarden.ts). */
function testWorkers(options, selected, isQuick) {
  ensurePrograms(...programs);
  build(['--noCheck']);
  process.env.TEST_WORKERS ??= '2';
  const all = ['test/http', 'test/e2e'].flatMap(testsIn).filter((file) => !(file in ofOneProcess));
  const files = selected.length > 0 ? selected.flatMap(testsIn) : isQuick ? tellingSuites : all;
  return runTap([...options, '--disable-coverage', '--timeout=900', ...files]);
}

function testsIn(path) {
  if (!statSync(join(root, path), { throwIfNoEntry: false })?.isDirectory()) return [path];
  return readdirSync(join(root, path), { recursive: true })
    .filter((name) => /\.(test|matrix)\.ts$/.test(name))
    .map((name) => join(path, name));
}
