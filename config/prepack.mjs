import { build, installDependencies, runScript } from './project.mjs';

// Before `npm pack` and `npm publish`: what is packed is what the sources are. Where scripts are ignored
// (`ignore-scripts`), run `npm run build` first.
await runScript(() => {
  installDependencies();
  build();
});
