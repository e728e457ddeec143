import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root, state } from './project.mjs';

// tap compiles what a test file imports once more in each of its processes, and loads the compiler twice for that:
// three seconds for each of a hundred files. Here each source is compiled once, and types are left to `tsc`.
const directory = join(state, 'compiled');
const tsconfig = join(root, 'tsconfig.json');
let settings;

/** The JavaScript of a source, with its source map in it: it is compiled unless that was done before. */
export async function compiled(file, source) {
  const path = join(directory, nameOf(file, source));
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Not yet compiled.
  }
  const output = await compile(file, source);
  mkdirSync(directory, { recursive: true });
  // In one step: others compile the same at the same time.
  const fresh = join(directory, `${randomUUID()}.new`);
  writeFileSync(fresh, output);
  renameSync(fresh, path);
  return output;
}

/** Compiles all of src/ and test/, and forgets what came of sources that are no more. */
export async function compileAll() {
  const kept = new Set();
  for (const file of ['src', 'test'].flatMap(sourcesIn)) {
    const source = readFileSync(file, 'utf8');
    await compiled(file, source);
    kept.add(nameOf(file, source));
  }
  const old = readdirSync(directory).filter((name) => name.endsWith('.js') && !kept.has(name));
  for (const name of old) rmSync(join(directory, name), { force: true });
}

function sourcesIn(folder) {
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => join(root, folder, name));
}

async function compile(fileName, source) {
  const { default: ts } = await import('typescript');
  const { config } = ts.readConfigFile(tsconfig, ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const { outputText } = ts.transpileModule(source, {
    fileName,
    compilerOptions: {
      ...options,
      // All of it is modules, and every import is of the source.
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      rewriteRelativeImportExtensions: false,
      inlineSourceMap: true,
      inlineSources: true,
    },
  });
  return outputText;
}

/** The path is part of the source map. */
function nameOf(file, source) {
  // Not at the start: the compiler may yet have to be installed.
  settings ??=
    createRequire(import.meta.url)('typescript/package.json').version + readFileSync(tsconfig, 'utf8');
  const sum = createHash('sha256').update(JSON.stringify([settings, file, source]));
  return `${sum.digest('hex')}.js`;
}
