import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { ensurePrograms } from './debian.mjs';
import { findProgram } from './programs.mjs';
import { CannotContinue, root, state } from './project.mjs';

/** What `npm run test:matrix` needs beyond Debian: the one place where its versions are pinned. */
const modules = {
  registry: {
    module: 'github.com/distribution/distribution/v3',
    version: 'v3.1.2',
    command: '/cmd/registry',
  },
  'gitlab-client': {
    module: 'gitlab.com/gitlab-org/api/client-go/v2',
    version: 'v2.64.0',
    folder: 'test/matrix/gitlab-client',
  },
  // Helm's own engine and Kubernetes' own types. Of client-go, which Helm would ask a cluster with, the folder has a
  // stand-in: it alone takes longer to compile than all the rest.
  chart: {
    module: 'helm.sh/helm/v3',
    version: 'v3.22.0',
    also: ['k8s.io/pod-security-admission v0.37.0'],
    replaced: ['k8s.io/client-go'],
    folder: 'test/matrix/chart',
  },
  crane: { module: 'github.com/google/go-containerregistry', version: 'v0.22.1', command: '/cmd/crane' },
  oras: { module: 'oras.land/oras', version: 'v1.3.3', command: '/cmd/oras' },
  conformance: {
    module: 'github.com/opencontainers/distribution-spec/conformance',
    version: 'v0.0.0-20260716174315-967efdc079b9',
    command: '',
  },
};

/** What `npm run test:signing` needs: it takes minutes to build. */
const signingModules = {
  cosign: { module: 'github.com/sigstore/cosign/v2', version: 'v2.6.1', command: '/cmd/cosign' },
};

const directory = join(state, 'go');
// The answers of a module proxy that does not have a version: asking again would not help.
const notHad = /: (?:403 Forbidden|404 Not Found|410 Gone)|unknown revision/;

/** Builds the programs that are not there in the pinned version; answers the names of those that cannot be had. */
export function buildGoPrograms() {
  return buildMissing(modules);
}

/** One that was built; undefined: it was not. */
export function findGoProgram(name) {
  const path = join(directory, name);
  return existsSync(path) ? path : undefined;
}

export function buildSigningPrograms() {
  return buildMissing(signingModules);
}

function buildMissing(wanted) {
  const outdated = Object.entries(wanted).filter(
    ([name, program]) => builtStamp(name) !== stampText(program),
  );
  if (outdated.length === 0) return [];
  ensurePrograms('go');
  return outdated.filter(([name, wanted]) => !buildProgram(name, wanted)).map(([name]) => name);
}

function buildProgram(name, wanted) {
  const { module, version, command, folder, also = [], replaced = [] } = wanted;
  console.error(`Building ${name} ${version} …`);
  const work = join(directory, 'modules', name);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  if (folder) cpSync(join(root, folder), work, { recursive: true });
  // Not `go install module@version`: for a command it asks for modules of every longer path first, and takes a
  // proxy's refusal of one as the end.
  const lines = [
    ...[`${module} ${version}`, ...also].map((required) => `require ${required}`),
    ...replaced.map((path) => `replace ${path} => ./${basename(path)}`),
  ];
  writeFileSync(join(work, 'go.mod'), goMod(name, lines));
  for (const path of replaced) writeFileSync(join(work, basename(path), 'go.mod'), goMod(path, []));
  const built = folder ? '.' : module + command;
  // Nobody looks into these with a debugger.
  const args = ['build', '-mod=mod', '-trimpath', '-ldflags=-s -w', '-o', join(directory, name), built];
  const result = spawnSync(findProgram('go'), args, { cwd: work, env: goEnvironment(), encoding: 'utf8' });
  if (result.status === 0) {
    writeFileSync(stampOf(name), stampText(wanted));
    return true;
  }
  const output = result.stderr ?? String(result.error);
  console.error(output);
  if (notHad.test(output)) return false;
  throw new CannotContinue(`Building ${name} from ${module} ${version} failed.`);
}

// The newest version that a pinned module asks for. Where the machine's Go is older, it fetches this one as a module.
const goVersion = '1.26.0';

function goEnvironment() {
  const ownCaches = { GOPATH: join(directory, 'path'), GOCACHE: join(directory, 'cache') };
  return {
    ...process.env,
    // Go will not run where it does not know where its caches are.
    ...(process.env.HOME ? {} : ownCaches),
    GOTOOLCHAIN: 'auto',
    GOFLAGS: '',
    CGO_ENABLED: '0',
  };
}

function goMod(name, lines) {
  return `module ${name}\n\ngo ${goVersion}\n\n${lines.join('\n')}\n`;
}

function stampText({ version, folder, also = [] }) {
  if (!folder) return version;
  const sum = createHash('sha256');
  const names = readdirSync(join(root, folder), { recursive: true }).sort();
  const files = names.map((name) => join(root, folder, name)).filter((file) => statSync(file).isFile());
  for (const file of files) sum.update(readFileSync(file));
  return [version, ...also, sum.digest('hex')].join(' ');
}

function builtStamp(name) {
  const built = existsSync(join(directory, name)) && existsSync(stampOf(name));
  return built ? readFileSync(stampOf(name), 'utf8') : undefined;
}

function stampOf(name) {
  return join(directory, 'modules', `${name}.version`);
}
