import { Invalid } from './complaints.ts';
import { flagOf, keyPaths, keys, variableOf, type KeyPath } from './schema.ts';
import { didYouMean } from './suggestion.ts';

/** A value, and where it comes from: `flag --listen`, or `tagwarden.yaml:12:3 claims.ttl_seconds`. */
export interface Setting {
  /** Undefined where it is wrong, which is among the errors then. */
  readonly value: unknown;
  readonly place: string;
}

/** What one source says, and all that is wrong with it. */
export interface Source {
  readonly settings: ReadonlyMap<KeyPath, Setting>;
  readonly errors: readonly string[];
}

/** A source that may also name the config file. */
export interface OuterSource extends Source {
  readonly configFile?: { readonly path: string; readonly place: string };
}

const configFlag = '--config';
const configVariable = 'TAGWARDEN_CONFIG';
/** Not a key: of the commands that ask a running Tagwarden. */
const apiTokenVariable = 'TAGWARDEN_API_TOKEN';

/** `--name value` or `--name=value`: every flag takes a value. */
export function readFlags(argv: readonly string[], directory: string): OuterSource {
  const known = [configFlag, ...keyPaths.map(flagOf)];
  const texts = new Map<string, string>();
  const errors: string[] = [];
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index] ?? '';
    const equals = argument.indexOf('=');
    const name = equals < 0 ? argument : argument.slice(0, equals);
    if (!name.startsWith('--')) {
      errors.push(`unexpected argument "${argument}"; flags start with --`);
      continue;
    }
    const next = argv[index + 1];
    const hasNext = equals < 0 && next !== undefined && !next.startsWith('--');
    if (hasNext) index += 1;
    const text = hasNext ? next : equals < 0 ? undefined : argument.slice(equals + 1);
    if (!known.includes(name)) errors.push(`flag ${name}: unknown${didYouMean(name, known)}`);
    else if (text === undefined) errors.push(`flag ${name}: needs a value`);
    else if (texts.has(name)) errors.push(`flag ${name}: given twice; give it once`);
    else texts.set(name, text);
  }
  return fromTexts({ texts, errors, label: 'flag', configName: configFlag, nameOf: flagOf, directory });
}

// What Kubernetes puts into every container of a namespace that has a Service named tagwarden, or tagwarden-admin.
const kubernetesVariable =
  /^TAGWARDEN_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:ADDR|PORT|PROTO))?)?)$/;

/** An empty variable counts as one that is not set. */
export function readEnvironment(env: NodeJS.ProcessEnv, directory: string): OuterSource {
  const known = [configVariable, ...keyPaths.map(variableOf)];
  const texts = new Map<string, string>();
  const errors: string[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('TAGWARDEN_') || text === undefined || text === '') continue;
    if (name === apiTokenVariable) continue;
    if (known.includes(name)) texts.set(name, text);
    else if (!kubernetesVariable.test(name)) {
      errors.push(`environment ${name}: unknown${didYouMean(name, known)}`);
    }
  }
  return fromTexts({
    texts,
    errors,
    label: 'environment',
    configName: configVariable,
    nameOf: variableOf,
    directory,
  });
}

/** What holds where nothing was given. */
export function readDefaults(directory: string): Source {
  const settings = new Map<KeyPath, Setting>();
  for (const path of keyPaths) {
    const { kind, defaultText } = keys[path];
    if (defaultText === undefined) continue;
    settings.set(path, { value: kind.fromText(defaultText, directory), place: `the default of ${path}` });
  }
  return { settings, errors: [] };
}

interface Texts {
  readonly texts: ReadonlyMap<string, string>;
  readonly errors: readonly string[];
  readonly label: string;
  readonly configName: string;
  readonly nameOf: (path: KeyPath) => string;
  readonly directory: string;
}

function fromTexts({ texts, errors, label, configName, nameOf, directory }: Texts): OuterSource {
  const settings = new Map<KeyPath, Setting>();
  const found = [...errors];
  for (const path of keyPaths) {
    const text = texts.get(nameOf(path));
    const place = `${label} ${nameOf(path)}`;
    if (text === undefined) continue;
    try {
      settings.set(path, { value: keys[path].kind.fromText(text, directory), place });
    } catch (error) {
      if (!(error instanceof Invalid)) throw error;
      settings.set(path, { value: undefined, place });
      found.push(`${place}: ${error.message}`);
    }
  }
  const path = texts.get(configName);
  const configFile = path === undefined ? {} : { configFile: { path, place: `${label} ${configName}` } };
  return { settings, errors: found, ...configFile };
}
