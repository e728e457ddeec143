import { benchDeletes } from './bench-deletes.mjs';
import { ensurePrograms } from './debian.mjs';
import { build, installDependencies, runScript } from './project.mjs';

// npm run bench   measures, side by side and in one run, what users wait for, and prints a table of each
await runScript(async () => {
  installDependencies();
  ensurePrograms('docker-registry');
  build();
  await benchDeletes();
});
