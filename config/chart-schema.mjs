import { parse } from 'yaml';

/** What the chart says itself in tagwarden.yaml; whoever gives them too would be overruled, or would break it. */
const ownKeys = [
  'listen',
  'admin.listen',
  'rules.file',
  'rules.publish',
  'rules.managed_file',
  'tls.cert_file',
  // drainSeconds, which the pod must have the time for.
  'shutdown.timeout_seconds',
];
const ownFiles = ['tls.key_file', 'redis.password_file', 'redis.sentinel_password_file', 'redis.ca_file'];
const moreFiles = ['upstream.password_file', 'upstream.ca_file', 'admin.token_file', 'auth.users_file'];
const inImage = ['claims.journal_file', 'immutability.tombstone_file', 'immutability.birth_file'];
const refused = [...ownKeys, ...ownFiles, ...moreFiles, ...inImage, 'auth.signing_key_file'];

/**
 * `deploy/helm/tagwarden/values.schema.json`: what values.yaml has is what there is, and of the same types; `config` and
 * `rules` are as Tagwarden's own files.
 */
export function chartSchema(values, { configSchema, rulesSchema }) {
  const { $schema, ...config } = configSchema;
  const rules = Object.fromEntries(Object.entries(rulesSchema).filter(([name]) => name !== '$schema'));
  const section = sectionOf(parse(values), { config: without(config, refused), rules });
  return {
    $schema,
    title: 'Tagwarden: the values of its Helm chart',
    ...section,
    // A chart that this one is a part of may set it.
    properties: { ...section.properties, global: { type: 'object' } },
  };
}

function sectionOf(values, parts = {}) {
  const properties = Object.entries(values).map(([name, value]) => [
    name,
    parts[name] ?? schemaOf(name, value),
  ]);
  return { type: 'object', additionalProperties: false, properties: Object.fromEntries(properties) };
}

/** Mappings of labels and the like are Kubernetes' own: their keys are anybody's. */
function schemaOf(name, value) {
  if (Array.isArray(value)) return { type: 'array' };
  // Numbers with `null` for nothing.
  if (value === null) return { type: ['integer', 'null'] };
  if (name === 'runAs') return { ...sectionOf({ user: null, group: null }) };
  if (name === 'resources') return { type: 'object' };
  if (typeof value === 'object') return Object.keys(value).length > 0 ? sectionOf(value) : { type: 'object' };
  if (name === 'maxUnavailable') return { type: ['integer', 'string'] };
  if (typeof value === 'number') return { type: 'integer', minimum: 0 };
  return { type: typeof value };
}

function without(section, paths) {
  const properties = Object.entries(section.properties ?? {}).flatMap(([name, property]) => {
    const below = paths
      .filter((path) => path.startsWith(`${name}.`))
      .map((path) => path.slice(name.length + 1));
    return paths.includes(name) ? [] : [[name, property.properties ? without(property, below) : property]];
  });
  return { ...section, properties: Object.fromEntries(properties) };
}
