import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrograms } from './debian.mjs';
import { build, installDependencies, root, runScript } from './project.mjs';
import { runTap } from './tap.mjs';

const directory = 'test/replicas';

// npm run test:replicas             several replicas, a real Redis, a real registry, and everything that can break
// npm run test:replicas -- FILE …   only these files
// test/replicas/sizes.ts has the variables that say how much is done, and with which seed.
await runScript(async (args) => {
  const selected = args.filter((arg) => !arg.startsWith('-'));
  const options = args.filter((arg) => arg.startsWith('-'));
  installDependencies();
  ensurePrograms('docker-registry', 'redis-server', 'redis-sentinel', 'redis-cli');
  build();
  const files = selected.length > 0 ? selected : allFiles();
  // One after the other: they promise times, and each has three replicas of its own.
  const only = ['--disable-coverage', '--jobs=1', '--timeout=600'];
  await runTap([...only, ...options, ...files]);
});

function allFiles() {
  return readdirSync(join(root, directory))
    .filter((name) => name.endsWith('.replicas.ts'))
    .map((name) => join(directory, name));
}
