import { resolve } from 'node:path';
import { checkAuth } from './auth.ts';
import { readConfigFile } from './config-file.ts';
import { arrange, type Config } from './config.ts';
import { checkLimits } from './limits.ts';
import { checkRedis, checkWithoutRedis } from './redis.ts';
import { flagOf, keyPaths, keys, variableOf, type KeyPath, type Values } from './schema.ts';
import { readDefaults, readEnvironment, readFlags, type Setting, type Source } from './sources.ts';
import { checkTls, checkTrust } from './tls.ts';

export interface Surroundings {
  /** The flags alone: neither the program nor its subcommand. */
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** The working directory. */
  readonly cwd: string;
  /** Redis is not asked: the rules are those of `rules.file`. */
  readonly withoutRedis?: true;
  /** Without an upstream its URL is empty. */
  readonly withoutUpstream?: true;
}

export type LoadedConfig = { readonly config: Config } | { readonly errors: readonly string[] };

/**
 * Puts the configuration together: a flag beats the environment, that beats the file, that beats the default. Finds
 * every error in all of them at once; each names its place and its mend.
 */
export function loadConfig({ argv, env, cwd, withoutRedis, withoutUpstream }: Surroundings): LoadedConfig {
  const flags = readFlags(argv, cwd);
  const environment = readEnvironment(env, cwd);
  const named = flags.configFile ?? environment.configFile;
  const file = named && readConfigFile(named.path, named.place, cwd);
  const sources: Source[] = [readDefaults(cwd), ...(file ? [file] : []), environment, flags];
  const settings = new Map(sources.flatMap((source) => [...source.settings]));
  if (withoutUpstream && !settings.has('upstream.url')) settings.set('upstream.url', noUpstream);
  const values = valuesOf(settings);
  const checkRules = withoutRedis ? checkWithoutRedis : checkRedis;
  const errors = [
    ...sources.flatMap((source) => source.errors),
    ...missingKeys(settings),
    ...checkLifetime(values, settings),
    ...checkCompanions(settings),
    ...[checkRules, checkTls, checkLimits].flatMap((check) =>
      check(values, (path) => givenPlace(settings, path)),
    ),
    ...checkTrust(env),
    ...checkAuth(values, (path) => settings.get(path)?.place),
  ];
  if (errors.length > 0) return { errors };
  const isOverruled = [environment, flags].some(({ settings }) => settings.has('immutability.enabled'));
  const switchFile = named && !isOverruled ? resolve(cwd, named.path) : undefined;
  return { config: arrange(values as Values, switchFile) };
}

const noUpstream: Setting = { value: '', place: 'the default of upstream.url' };

type Settings = ReadonlyMap<KeyPath, Setting>;

/** INVARIANT: what is there was made by the kind of its own key, which is what `Values` says. */
function valuesOf(settings: Settings): Partial<Values> {
  return Object.fromEntries([...settings].map(([path, { value }]) => [path, value]));
}

/** Where a key was given: its default is nobody's doing. */
function givenPlace(settings: Settings, path: KeyPath): string | undefined {
  const place = settings.get(path)?.place;
  return place?.startsWith('the default') ? undefined : place;
}

function missingKeys(settings: Settings): string[] {
  return keyPaths
    .filter((path) => keys[path].isRequired === true && !settings.has(path))
    .map(
      (path) =>
        `${path}: is required; give ${flagOf(path)}, ${variableOf(path)}, or the key in the config file`,
    );
}

/** A reservation must outlive the deadline of its push by what an upstream may take to commit what it received. */
function checkLifetime(values: Partial<Values>, settings: Settings): string[] {
  const { 'claims.ttl_seconds': ttlSeconds, 'claims.put_deadline_seconds': deadlineSeconds } = values;
  if (ttlSeconds === undefined || deadlineSeconds === undefined || ttlSeconds >= 2 * deadlineSeconds)
    return [];
  const place = settings.get('claims.ttl_seconds')?.place ?? 'claims.ttl_seconds';
  const least = `at least ${2 * deadlineSeconds}, twice claims.put_deadline_seconds (${deadlineSeconds})`;
  return [`${place}: ${ttlSeconds} is too short; it must be ${least}`];
}

/** What is of no use alone. */
function checkCompanions(settings: Settings): string[] {
  const [user, password] = ['upstream.username', 'upstream.password_file'] as const;
  const pairs: readonly (readonly [KeyPath, KeyPath])[] = [
    [user, password],
    [password, user],
    ['tracing.ca_file', 'tracing.endpoint'],
  ];
  return pairs.flatMap(([given, other]) => {
    const place = settings.get(given)?.place;
    return place === undefined || settings.has(other) ? [] : [`${place}: needs ${other} too`];
  });
}
