import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fetchedPrograms, findProgram } from './programs.mjs';
import { CannotContinue, run, state } from './project.mjs';

// Debian's packages are unpacked into a directory of this project, not installed: their installation would start
// services on :80 and :5000 (with systemd at every boot from then on), and could restart what runs already.
const debian = join(state, 'debian');
const tree = join(debian, 'tree');
const archives = join(debian, 'archives');

// Debian's redis-server is a link to a program of this package, which may be installed without it.
const redisTools = 'redis-tools';

/** The program → the packages that have it, the first one that the release knows; or several that have it together. */
const packagesOf = {
  'docker-registry': ['docker-registry'],
  docker: ['docker-cli', 'docker.io'],
  dockerd: ['docker.io'],
  containerd: ['containerd'],
  runc: ['runc'],
  skopeo: ['skopeo'],
  nginx: ['nginx'],
  wrk: ['wrk'],
  ab: ['apache2-utils'],
  curl: ['curl'],
  go: ['golang-go'],
  'redis-server': [['redis-server', redisTools]],
  'redis-sentinel': [['redis-sentinel', redisTools]],
  'redis-cli': [redisTools],
  'valkey-server': [['valkey-server', 'valkey-tools']],
  ip: ['iproute2'],
  busybox: ['busybox-static'],
  'docker-compose': ['docker-compose'],
  spin: ['spin'],
  gcc: [['gcc', 'libc6-dev']],
  mmdebstrap: ['mmdebstrap'],
  unshare: ['util-linux'],
  tar: ['tar'],
  promtool: ['prometheus'],
};

/** Makes sure that these programs can be found (config/programs.mjs), or says which are missing. */
export function ensurePrograms(...names) {
  const missing = names.filter((name) => !findProgram(name));
  if (missing.length === 0) return;
  if (!findProgram('apt-get') || !findProgram('dpkg-deb')) {
    throw new CannotContinue(
      `Missing: ${missing.join(', ')}. There is no apt-get here; please install them.`,
    );
  }
  console.error(`Fetching ${missing.join(', ')} from Debian into ${debian} …`);
  unpack(download(missing));
  const stillMissing = missing.filter((name) => !findProgram(name));
  if (stillMissing.length === 0) return;
  throw new CannotContinue(
    `Missing: ${stillMissing.join(', ')}. Debian's packages did not bring them; please install.`,
  );
}

/** The same for programs that not every release has; answers the names of those that cannot be had. */
export function ensureWhereKnown(...names) {
  const missing = names.filter((name) => !findProgram(name));
  const known = missing.filter((name) => candidates([name])[0]);
  if (known.length > 0) ensurePrograms(...known);
  return missing.filter((name) => !known.includes(name));
}

/** Downloads what the programs need and this machine lacks: their packages with all dependencies. */
function download(programs) {
  if (!candidates(programs).every(Boolean)) updateLists(programs);
  const names = candidates(programs);
  const unknown = programs.filter((_, index) => !names[index]);
  if (unknown.length > 0) {
    throw new CannotContinue(
      `Missing: ${unknown.join(', ')}. apt-get knows no package for them; please install them.`,
    );
  }
  rmSync(archives, { recursive: true, force: true });
  mkdirSync(join(archives, 'partial'), { recursive: true });
  const arrived = () => aptGet([...downloadOnly, ...new Set(names.flat())]);
  if (!arrived()) {
    // Lists older than the archive name packages that are gone.
    updateLists(programs);
    if (!arrived())
      throw new CannotContinue(`Missing: ${programs.join(', ')}. apt-get could not fetch them.`);
  }
  return readdirSync(archives).filter((name) => name.endsWith('.deb'));
}

// No lock: nothing of the system changes. The sandbox user could not write into our directory.
const downloadOnly = [
  ...['install', '--download-only', '--no-install-recommends', '--reinstall', '--yes', '--quiet=2'],
  ...['-o', `Dir::Cache::archives=${archives}`, '-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User='],
];

function unpack(packages) {
  mkdirSync(tree, { recursive: true });
  for (const name of packages) run('dpkg-deb', ['--extract', join(archives, name), tree]);
  rmSync(archives, { recursive: true, force: true });
  mkdirSync(fetchedPrograms, { recursive: true });
  const directories = ['usr/sbin', 'usr/bin', 'sbin', 'bin'].filter((directory) =>
    existsSync(join(tree, directory)),
  );
  for (const directory of directories) {
    for (const name of readdirSync(join(tree, directory))) {
      // A link whose target is elsewhere on the machine is no program of ours.
      if (!existsSync(join(tree, directory, name)) || !statSync(join(tree, directory, name)).isFile())
        continue;
      writeFileSync(join(fetchedPrograms, name), launcher(directory, name), { mode: 0o755 });
    }
  }
}

/** A program away from its place finds its libraries only where it is told to look. */
function launcher(directory, name) {
  const libraries = ['usr/lib', 'lib']
    .filter((parent) => existsSync(join(tree, parent)))
    .flatMap((parent) => readdirSync(join(tree, parent)).map((child) => `${parent}/${child}`))
    .filter((path) => /-linux-[a-z0-9]+$/.test(path))
    .map((path) => `$tree/${path}`);
  return [
    '#!/bin/sh',
    'tree=$(dirname "$(dirname "$(readlink -f "$0")")")/tree',
    `LD_LIBRARY_PATH="${libraries.join(':')}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"`,
    'export LD_LIBRARY_PATH',
    `exec "$tree/${directory}/${name}" "$@"`,
    '',
  ].join('\n');
}

function candidates(programs) {
  return programs.map((program) =>
    packagesOf[program].find((packages) => [packages].flat().every(hasCandidate)),
  );
}

function hasCandidate(name) {
  const { stdout } = spawnSync('apt-cache', ['policy', name], { encoding: 'utf8', env: plainEnglish });
  return /^ {2}Candidate: (?!\(none\))/m.test(stdout);
}

function updateLists(programs) {
  if (process.getuid?.() !== 0) {
    throw new CannotContinue(`Missing: ${programs.join(', ')}. Run this as root, or install them yourself.`);
  }
  aptGet(['update', '--quiet=2']);
}

const plainEnglish = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };

function aptGet(args) {
  return spawnSync('apt-get', args, { stdio: ['ignore', 2, 2], env: plainEnglish }).status === 0;
}
