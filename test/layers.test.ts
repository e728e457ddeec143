import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import t from 'tap';

const source = join(import.meta.dirname, '../src');
/** A layer may import those after it, never back (docs/architecture.md). */
const layers = ['main', 'app', 'http', 'adapters', 'config', 'core'];

function layerOf(file: string): string {
  return file.replace(/\.ts$/, '').split('/')[0] ?? '';
}

/** Every module that a file names in an import, static or dynamic, type or value. */
function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:from |import\(|import )'([^'\n]+)'/g)].map((match) => match[1] ?? '');
}

const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

t.ok(files.length > 20, 'there is something to look at');

t.test('imports run from main to core, and never back', (t) => {
  for (const file of files) {
    const layer = layers.indexOf(layerOf(file));
    t.not(layer, -1, `${file} is in a layer`);
    const back = importsOf(readFileSync(join(source, file), 'utf8'))
      .filter((name) => name.startsWith('.'))
      .map((name) => normalize(join(dirname(file), name)))
      .filter((target) => layers.indexOf(layerOf(target)) < layer);
    t.same(back, [], `${file} imports nothing from a layer before its own`);
  }
  t.end();
});

t.test('core is pure', (t) => {
  for (const file of files.filter((name) => layerOf(name) === 'core')) {
    const packages = importsOf(readFileSync(join(source, file), 'utf8')).filter(
      (name) => !name.startsWith('.'),
    );
    t.same(
      packages.filter((name) => name !== 're2js'),
      [],
      `${file} imports nothing but core and re2js`,
    );
  }
  t.end();
});

/** What takes long to load, and is not needed by every mode. */
const heavy = [
  '@peculiar/x509',
  'bcryptjs',
  'fastify',
  'graphql',
  'ioredis',
  'jose',
  'lru-cache',
  'mercurius',
  'prom-client',
];

/** The modules that a file loads when it is loaded: neither types nor what is imported when it is needed. */
function loadedBy(file: string): string[] {
  const text = readFileSync(join(source, file), 'utf8');
  return [...text.matchAll(/^(?:import|export) (?!type\b)(?:[^;]*?\bfrom )?'([^']+)';/gm)].map(
    (match) => match[1] ?? '',
  );
}

t.test('what is heavy stays out of the way of a start', (t) => {
  for (const entry of ['main.ts', 'app.ts']) {
    const seen = new Set<string>([entry]);
    for (const file of seen) {
      const loaded = loadedBy(file);
      t.same(
        loaded.filter((name) => heavy.includes(name)),
        [],
        `${entry} loads ${file}, which loads nothing heavy`,
      );
      const ours = loaded.filter((name) => name.startsWith('.'));
      for (const name of ours) seen.add(normalize(join(dirname(file), name)));
    }
    t.ok(entry === 'main.ts' || seen.size > 20, `${entry} loads ${seen.size} files`);
  }
  t.end();
});
