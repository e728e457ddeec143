import { ensurePrograms } from './debian.mjs';
import { build, installDependencies, runScript } from './project.mjs';
import { runTap } from './tap.mjs';

// npm run soak   ten minutes of mixed traffic before a real registry: nothing is lost, and nothing is kept; then replicas
//                are restarted, over and over, behind nginx
// SOAK_SECONDS says how long; `npm test` has a minute of it.
const suites = ['soak', 'rolling'].map((name) => `test/soak/${name}.test.ts`);

await runScript(async () => {
  installDependencies();
  ensurePrograms('docker-registry', 'nginx', 'redis-server');
  build();
  process.env.SOAK_SECONDS ??= '600';
  const timeout = Number(process.env.SOAK_SECONDS) + 120;
  await runTap(['--disable-coverage', '--jobs=1', `--timeout=${timeout}`, ...suites]);
});
