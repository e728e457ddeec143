import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { benchBlobs } from './bench/blobs.mjs';
import { benchDeletes } from './bench/deletes.mjs';
import { benchManifests } from './bench/manifests.mjs';
import { benchMemory } from './bench/memory.mjs';
import { benchPushes } from './bench/pushes.mjs';
import { benchRules } from './bench/rules.mjs';
import { benchStart } from './bench/start.mjs';
import { benchWorkers } from './bench/workers.mjs';
import { ensurePrograms } from './debian.mjs';
import { build, CannotContinue, installDependencies, runScript } from './project.mjs';

const benches = {
  rules: benchRules,
  start: benchStart,
  manifests: benchManifests,
  pushes: benchPushes,
  workers: benchWorkers,
  blobs: benchBlobs,
  memory: benchMemory,
  deletes: benchDeletes,
};

const rules = `tag_rules:
  - { id: releases, tag_name_pattern: ^v, immutable: true }
`;

// npm run bench                         measures, side by side and in one run, what users wait for, and prints tables
// npm run bench -- blobs manifests      only these
// npm run bench -- --rounds 3           medians of so many (default 5)
// npm run bench -- --seconds 1          how long each load of manifests lasts (whole seconds, default 2)
// npm run bench -- --json FILE          writes the numbers there too, to compare two runs
await runScript(async (args) => {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const unknown = positionals.find((name) => !Object.hasOwn(benches, name));
  if (unknown)
    throw new CannotContinue(`There is no bench "${unknown}"; there are ${Object.keys(benches).join(', ')}.`);
  installDependencies();
  ensurePrograms('docker-registry', 'nginx', 'wrk', 'ab', 'redis-server');
  build();
  const chosen = positionals.length > 0 ? positionals : Object.keys(benches);
  const results = {};
  const how = {
    rounds: Number(values.rounds),
    ...(values.seconds && { seconds: Number(values.seconds) }),
    rules,
  };
  for (const name of chosen) results[name] = await benches[name](how);
  if (!values.json) return;
  const about = {
    date: new Date().toISOString(),
    node: process.version,
    cpu: cpus()[0]?.model,
    cores: cpus().length,
  };
  writeFileSync(values.json, `${JSON.stringify({ ...about, results }, undefined, 2)}\n`);
});
