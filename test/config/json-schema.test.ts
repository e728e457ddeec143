import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv';
import fc from 'fast-check';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { chartSchema } from '../../config/chart-schema.mjs';
import { readConfigFile } from '../../src/config/config-file.ts';
import { configSchema, printSchema, rulesSchema } from '../../src/config/json-schema.ts';
import { parseManagedRules } from '../../src/config/managed-rules.ts';
import { parseRules } from '../../src/config/rules.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const ajv = new Ajv({ allErrors: true });
const isConfig = ajv.compile(configSchema());
const isRules = ajv.compile(rulesSchema());

t.test('config/*.schema.json are what the schema says', (t) => {
  t.equal(read('config/tagwarden.schema.json'), printSchema(configSchema()));
  t.equal(read('config/rules.schema.json'), printSchema(rulesSchema()));
  t.end();
});

t.test('the values of the Helm chart have the schema that npm run generate writes', (t) => {
  const chart = 'deploy/helm/tagwarden';
  const values = read(`${chart}/values.yaml`);
  const schema = chartSchema(values, { configSchema: configSchema(), rulesSchema: rulesSchema() });
  t.equal(read(`${chart}/values.schema.json`), printSchema(schema));
  t.end();
});

/** The keys that a parser names where it is given something else. */
function keysTold(errors: readonly string[]): readonly string[] {
  const [, keys = ''] = /must be a mapping with (.*), not /.exec(errors.join('\n')) ?? [];
  return keys.split(', ').sort();
}

t.test('a rules file has the same keys for editors and for us', (t) => {
  const { properties } = rulesSchema() as {
    properties: Record<string, { items?: { properties: Record<string, unknown> } }>;
  };
  for (const list of ['repository_rules', 'tag_rules', 'members']) {
    const parsed = parseRules(`${list}: [x]\n`);
    t.same(
      keysTold('errors' in parsed ? parsed.errors : []),
      Object.keys(properties[list]?.items?.properties ?? {}).sort(),
      list,
    );
  }
  const whole = parseRules('x\n');
  t.same(keysTold('errors' in whole ? whole.errors : []), Object.keys(properties).sort());
  t.end();
});

/** Every YAML of the examples, and every block of YAML of the documentation. */
function examples(): readonly (readonly [name: string, text: string])[] {
  const files = ['config', 'deploy/compose'].flatMap((directory) =>
    readdirSync(join(root, directory))
      .filter((name) => name.endsWith('.yaml'))
      .map((name) => [`${directory}/${name}`, read(`${directory}/${name}`)] as const),
  );
  const pages = readdirSync(join(root, 'docs'), { encoding: 'utf8' }).filter((name) => name.endsWith('.md'));
  const documents = ['README.md', ...pages.map((name) => `docs/${name}`)];
  const blocks = documents.flatMap((name) =>
    [...read(name).matchAll(/^```ya?ml\n([^]*?)^```/gm)].map(
      ([, text = ''], index) => [`${name}, block ${index + 1}`, text] as const,
    ),
  );
  return [...files, ...blocks];
}

t.test('all examples are good', (t) => {
  let count = 0;
  for (const [name, text] of examples()) {
    const document = parse(text) as Record<string, unknown>;
    if ('next_number' in document) {
      t.notOk('errors' in parseManagedRules(text), `${name} is of the management API`);
      count += 1;
      continue;
    }
    const isOfRules = ['repository_rules', 'tag_rules', 'members'].some((key) => key in document);
    const isOfConfig = Object.keys(document).some((key) => key in (configSchema().properties as object));
    // The registry's own configuration has `auth.token` too.
    const isOfRegistry = (document as { auth?: { token?: unknown } }).auth?.token !== undefined;
    // Its values have a `config` and `rules` too; Helm's engine reads them (test/matrix/chart.matrix.ts).
    const isOfChart = 'image' in document;
    if ((!isOfRules && !isOfConfig) || isOfRegistry || isOfChart) continue;
    count += 1;
    const validate = isOfRules ? isRules : isConfig;
    t.ok(validate(document), `${name} ${JSON.stringify(validate.errors)}`);
  }
  t.ok(count >= 8, `${count} examples`);
  t.end();
});

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly enum?: readonly string[];
  readonly not?: object;
}

/** Places of a document: of a scalar by its schema, as `['tag_rules', 0, 'immutable']`. */
type Place = readonly (string | number)[];

function placesIn(schema: Schema, place: Place = []): readonly (readonly [Place, Schema])[] {
  if (schema.items?.properties) return placesIn(schema.items, [...place, 0]);
  if (!schema.properties) return schema.not ? [] : [[place, schema]];
  return Object.entries(schema.properties).flatMap(([name, own]) => placesIn(own, [...place, name]));
}

function withValue(document: unknown, [key, ...rest]: Place, value: unknown): unknown {
  if (key === undefined) return value;
  if (typeof key === 'number') return [withValue((document as unknown[] | undefined)?.[key], rest, value)];
  return {
    ...(document as object | undefined),
    [key]: withValue((document as Record<string, unknown> | undefined)?.[key], rest, value),
  };
}

/** What no key takes, by what it takes. */
function wrong({ type, enum: choices }: Schema): fc.Arbitrary<unknown> {
  const others: Readonly<Record<string, readonly unknown[]>> = {
    string: [7, true, ['x'], { x: 1 }, null],
    integer: ['seven', true, ['x'], { x: 1 }, 1.5, -1, null],
    number: ['half', true, ['x'], { x: 1 }, 1.5, -1, null],
    boolean: ['maybe', 7, ['x'], { x: 1 }, null],
    array: ['x', 7, true, { x: 1 }, null],
  };
  const values = type === undefined ? [7, true] : (others[type] ?? []);
  return fc.constantFrom(...values, ...(choices ? ['no such choice'] : []));
}

const goodRules = {
  repository_rules: [{ repository_path_pattern: 'a', minimum_access_level_for_push: 'owner' }],
  tag_rules: [{ tag_name_pattern: 'a', immutable: true }],
  members: [{ subject: 'a', access_level: 'owner' }],
};
const goodConfig = { listen: '127.0.0.1:8080', upstream: { url: 'http://127.0.0.1:5000' } };

/** A good document, of which one value is wrong, or one key unknown. */
function spoilt(good: object, schema: Schema): fc.Arbitrary<unknown> {
  const places = placesIn(schema);
  return fc.constantFrom(...places).chain(([place, own]) =>
    fc.oneof(
      wrong(own).map((value) => withValue(good, place, value)),
      fc
        .constantFrom('unknown_key', 'Listen', 'id_')
        .map((name) => withValue(good, [...place.slice(0, -1), name], 'x')),
    ),
  );
}

t.test('what we refuse for an unknown key, a wrong type or an unknown choice, the schema refuses', (t) => {
  const rules = new Set<string>();
  t.ok(isRules(goodRules) && isConfig(goodConfig));
  fc.assert(
    fc.property(spoilt(goodRules, rulesSchema() as Schema), (document) => {
      const parsed = parseRules(stringify(document));
      if (!('errors' in parsed)) throw new Error(`the parser takes ${JSON.stringify(document)}`);
      if (isRules(document)) throw new Error(`the schema takes ${JSON.stringify(document)}`);
      rules.add(parsed.errors.join());
    }),
    { numRuns: 500 },
  );
  t.ok(rules.size > 30, `${rules.size} errors`);
  const file = join(t.testdir(), 'tagwarden.yaml');
  fc.assert(
    fc.property(spoilt(goodConfig, configSchema() as Schema), (document) => {
      writeFileSync(file, stringify(document));
      if (readConfigFile(file, 'flag --config', '/').errors.length === 0)
        throw new Error(`the parser takes ${JSON.stringify(document)}`);
      if (isConfig(document)) throw new Error(`the schema takes ${JSON.stringify(document)}`);
    }),
    { numRuns: 500 },
  );
  t.end();
});
