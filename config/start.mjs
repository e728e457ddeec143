import { subscribe } from 'node:diagnostics_channel';
import { join } from 'node:path';
import { startLocalUpstream } from './local-upstream.mjs';
import { build, installDependencies, root, runScript, state } from './project.mjs';

// npm start                          with a registry that is found or fetched
// npm start -- --upstream URL …      the flags of `tagwarden serve`
await runScript(async (flags) => {
  installDependencies();
  build();
  const isGiven = (flag) => flags.some((argument) => argument === flag || argument.startsWith(`${flag}=`));
  const hasConfig = isGiven('--config') || process.env.TAGWARDEN_CONFIG !== undefined;
  const defaults = [];
  if (!hasConfig && !isGiven('--rules') && process.env.TAGWARDEN_RULES === undefined) {
    defaults.push('--rules', join(root, 'config/rules.yaml'));
  }
  let upstream;
  if (!hasConfig && !isGiven('--upstream') && process.env.TAGWARDEN_UPSTREAM === undefined) {
    upstream = await ownUpstream();
    defaults.push('--upstream', upstream.url);
  }
  onceListening(({ address }) => console.error(whatToTry(address, upstream)));
  process.argv = [process.execPath, join(root, 'dist/main.js'), 'serve', ...defaults, ...flags];
  await import('../dist/main.js');
});

/** A registry that ends with this process, however that ends; without it there is nothing to serve. */
async function ownUpstream() {
  const upstream = await startLocalUpstream(join(state, 'registry'));
  upstream.unref();
  let isEnding = false;
  process.once('exit', () => {
    isEnding = true;
    upstream.stop();
  });
  void upstream.ended.then((how) => {
    if (isEnding) return;
    console.error(`The registry behind Tagwarden has ended (${upstream.name}: ${how}).`);
    process.exit(1);
  });
  return upstream;
}

/** Calls back with the log line that says where the server listens; it runs in this process, and so does its logger. */
function onceListening(callback) {
  subscribe('tracing:pino_asJson:end', ({ result }) => {
    if (result.includes('"msg":"listening"')) callback(JSON.parse(result));
  });
}

function whatToTry(address, upstream) {
  const tag = `${address}/flightjs/flight:v1.0`;
  const before = upstream ? `, in front of ${upstream.name} (its storage: .tagwarden/registry)` : '';
  return `
Tagwarden serves ${address}${before}. config/rules.yaml makes release tags immutable. Try:

  docker pull alpine  &&  docker tag alpine ${tag}   &&  docker push ${tag}
  docker pull busybox &&  docker tag busybox ${tag}  &&  docker push ${tag}

The first push creates the tag, the second one prints
  denied: tag is immutable; flightjs/flight:v1.0 is sha256:… and cannot become sha256:… (rule releases); use a new tag

Without Docker:
  skopeo copy --dest-tls-verify=false docker://alpine docker://${tag}
  skopeo copy --dest-tls-verify=false docker://busybox docker://${tag}
`;
}
