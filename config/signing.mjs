import { ensurePrograms } from './debian.mjs';
import { buildSigningPrograms } from './go-modules.mjs';
import { build, CannotContinue, installDependencies, runScript } from './project.mjs';
import { runTap } from './tap.mjs';

// npm run test:signing   cosign signs and attests an immutable image, before a real registry and through two replicas
await runScript(async () => {
  installDependencies();
  ensurePrograms('docker-registry', 'redis-server');
  build();
  const missing = buildSigningPrograms();
  if (missing.length > 0)
    throw new CannotContinue(`${missing.join(', ')} cannot be had from the module proxy.`);
  await runTap(['--disable-coverage', '--jobs=1', '--timeout=600', 'test/signing/cosign.signing.ts']);
});
