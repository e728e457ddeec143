import { ensurePrograms } from './debian.mjs';
import { buildSigningPrograms } from './go-modules.mjs';
import { build, CannotContinue, installDependencies, run, runScript } from './project.mjs';

// npm run test:signing   cosign signs and attests an immutable image, before a real registry and through two replicas
await runScript(() => {
  installDependencies();
  ensurePrograms('docker-registry', 'redis-server');
  build();
  const missing = buildSigningPrograms();
  if (missing.length > 0)
    throw new CannotContinue(`${missing.join(', ')} cannot be had from the module proxy.`);
  const command = ['node_modules/.bin/tap', '--disable-coverage', '--jobs=1', '--timeout=600'];
  run(process.execPath, [...command, 'test/signing/cosign.signing.ts'], {
    why: 'The tests',
    stdio: ['ignore', 1, 2],
  });
});
