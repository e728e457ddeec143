import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { ensurePrograms } from './debian.mjs';
import { findDistribution, startDistribution, untilReady } from './local-registry.mjs';
import { findProgram } from './programs.mjs';
import { CannotContinue } from './project.mjs';

/**
 * A registry for those who name none: what is installed, else a container of a Docker engine, else Debian's package.
 * With `token`, it requires tokens: those of `issuer`, for `service`, from `realm`, signed with the key beside which
 * `signingKeyFile` has what a registry takes.
 */
export async function startLocalUpstream(directory, token) {
  const installed = findDistribution();
  if (installed) return start(installed, directory, token);
  if (hasEngine()) return startContainer(directory, token);
  if (process.getuid?.() !== 0 || !findProgram('apt-get')) {
    throw new CannotContinue(
      'There is no registry to put Tagwarden in front of: give one with --upstream http://HOST:PORT, or install ' +
        'docker-registry or Docker.',
    );
  }
  ensurePrograms('docker-registry');
  return start(findDistribution(), directory, token);
}

async function start(program, directory, token) {
  const auth = token && { token: tokenSettings(token) };
  return { ...(await startDistribution(program, directory, { auth })), name: program };
}

/** 2.x reads the certificate, 3.x the key set (and the certificate too). */
function tokenSettings({ signingKeyFile, ...settings }) {
  const [rootcertbundle, jwks] = [`${signingKeyFile}.crt`, `${signingKeyFile}.jwks.json`];
  return { ...settings, rootcertbundle, jwks };
}

function hasEngine() {
  const program = findProgram('docker');
  return program !== undefined && docker('info', '--format', '{{.ServerVersion}}').status === 0;
}

/** distribution in a container, its storage in a directory of this machine. */
async function startContainer(directory, token) {
  mkdirSync(directory, { recursive: true });
  const settings = ['--env', 'REGISTRY_STORAGE_DELETE_ENABLED=true', '--env', 'OTEL_TRACES_EXPORTER=none'];
  const place = ['--publish', '127.0.0.1::5000', '--volume', `${directory}:/var/lib/registry`];
  const required = token ? tokenOptions(token) : [];
  const run = ['run', '--detach', '--rm', ...place, ...settings, ...required, 'registry:3'];
  const { stdout, stderr, status } = docker(...run);
  if (status !== 0) throw new CannotContinue(`docker could not run registry:3: ${stderr.trim()}`);
  const id = stdout.trim();
  const stop = () => docker('stop', '--time', '2', id);
  try {
    const [address] = docker('port', id, '5000/tcp').stdout.split('\n');
    const url = `http://${address}`;
    const ended = untilContainerEnds(id);
    await untilReady(
      url,
      ended.then((how) => Promise.reject(new Error(`The container of registry:3 ended (${how})`))),
    );
    return { url, ended, stop, unref: () => {}, name: 'registry:3 in a container' };
  } catch (error) {
    stop();
    throw error;
  }
}

/** The same for a container: variables, and the public keys in a place of its own. */
function tokenOptions({ signingKeyFile, ...settings }) {
  const inContainer = { ...settings, jwks: '/etc/tagwarden.jwks.json' };
  const variables = Object.entries(inContainer).map(
    ([name, value]) => `REGISTRY_AUTH_TOKEN_${name.toUpperCase()}=${value}`,
  );
  const keys = ['--volume', `${signingKeyFile}.jwks.json:${inContainer.jwks}:ro`];
  return [...keys, ...['REGISTRY_AUTH=token', ...variables].flatMap((variable) => ['--env', variable])];
}

function untilContainerEnds(id) {
  const child = spawn(findProgram('docker'), ['wait', id], { stdio: 'ignore', detached: true });
  child.unref();
  return new Promise((resolve) => {
    child.on('exit', () => resolve('docker wait returned')).on('error', (error) => resolve(error.message));
  });
}

function docker(...args) {
  return spawnSync(findProgram('docker'), args, { encoding: 'utf8' });
}
