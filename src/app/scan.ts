import { setTimeout as sleep } from 'node:timers/promises';
import { readCatalog, whyAway, type CatalogFact } from '../adapters/catalog.ts';
import { steadyClock } from '../adapters/clock.ts';
import { PatientReader } from '../adapters/patient-reader.ts';
import { walkRepository } from '../adapters/repository-walk.ts';
import { NoToken } from '../adapters/token/token-realm.ts';
import type { Upstream } from '../adapters/upstream.ts';
import type { Config } from '../config/config.ts';
import { loadConfig, type Surroundings } from '../config/load.ts';
import { readScanArguments, type ScanArguments } from '../config/scan-arguments.ts';
import type { Clock } from '../core/ports.ts';
import type { Repository } from '../core/reference.ts';
import type { RuleSet } from '../core/rule.ts';
import { filedRules } from './filed-rules.ts';
import { scanCredentials, type ScanCredentials } from './scan-credentials.ts';
import { jsonFormat } from './scan-json.ts';
import type { OutputStream } from './scan-output.ts';
import { ScanProgress } from './scan-progress.ts';
import { reportOf, unreadReport, type RepositoryReport } from './scan-report.ts';
import { tableFormat } from './scan-table.ts';
import { addTo, noTotals } from './scan-totals.ts';
import { openUpstream } from './upstream.ts';

/** At most these are held in memory at the same time. */
const repositoriesAtOnce = 8;
const connections = 16;
/** A scan can wait for a slow registry; one that keeps failing should not hold it up. */
const patience = { attemptMs: 30_000, readMs: 30_000 };
const walkMs = 24 * 3600 * 1000;

export interface ScanSurroundings extends Omit<Surroundings, 'withoutRedis'> {
  readonly out: OutputStream;
  readonly err: OutputStream;
  /** Ends the scan after what has been told. */
  readonly signal: AbortSignal;
}

interface Scan extends ScanSurroundings {
  readonly config: Config;
  readonly told: ScanArguments;
  readonly rules: RuleSet;
  readonly credentials: ScanCredentials;
  readonly upstream: Upstream;
  readonly clock: Clock;
}

/** @returns the exit code: 0, 1 for what was asked wrongly, 2 where something could not be read, 130 if interrupted */
export async function scan(around: ScanSurroundings): Promise<number> {
  const told = readScanArguments(around.argv);
  const loaded = loadConfig({ ...around, argv: told.flags, withoutRedis: true });
  const errors = [...told.errors, ...('errors' in loaded ? loaded.errors : [])];
  if ('errors' in loaded) return fail(around, errors, 1);
  const { config } = loaded;
  const rules = filedRules(config);
  const opened = await openUpstream(config.upstream, { connections }).catch(
    (error: unknown) => error as Error,
  );
  if (opened instanceof Error) return fail(around, [...errors, opened.message], 1);
  const { upstream } = opened;
  const credentials = await scanCredentials(config, upstream).catch((error: unknown) => ({
    error: error instanceof Error ? error.message : String(error),
  }));
  if ('error' in credentials) errors.push(credentials.error);
  if ('errors' in rules) errors.push(...rules.errors);
  if (errors.length > 0 || 'errors' in rules || 'error' in credentials) {
    await opened.close();
    return fail(around, errors, 1);
  }

  const close = (): void => void opened.close();
  around.signal.addEventListener('abort', close);
  // Unlike the server's, it keeps the process alive while it sleeps.
  const clock: Clock = { ...steadyClock, sleep: (ms) => sleep(ms, undefined, { signal: around.signal }) };
  try {
    const exitCode = await scanUpstream({ ...around, config, told, rules, credentials, upstream, clock });
    return around.signal.aborted ? 130 : exitCode;
  } finally {
    around.signal.removeEventListener('abort', close);
    await Promise.all([credentials.close(), opened.close()]);
  }
}

async function scanUpstream(scan: Scan): Promise<number> {
  const { config, upstream, told } = scan;
  const { url } = config.upstream;
  const away = await whyAway(upstream);
  if (away !== undefined) return fail(scan, [`upstream.url: ${url} does not answer (${away})`], 2);
  if (told.repositories.length > 0) return scanRepositories(scan, told.repositories);
  const catalog = await catalogOf(scan);
  if (catalog.state === 'known') return scanRepositories(scan, catalog.repositories);
  const mend = 'name repositories: tagwarden scan … flightjs/flight flightjs/tower';
  return fail(scan, [`${url} does not list its repositories (${catalog.reason}); ${mend}`], 2);
}

async function catalogOf({ upstream, credentials }: Scan): Promise<CatalogFact> {
  try {
    return await readCatalog(upstream, await credentials.catalog());
  } catch (error) {
    if (error instanceof NoToken) return { state: 'refused', reason: error.message };
    throw error;
  }
}

async function scanRepositories(scan: Scan, repositories: readonly Repository[]): Promise<number> {
  const { out, err, env, signal, told, config, clock } = scan;
  const hasColours = out.isTTY === true && !env.NO_COLOR;
  const format = told.isJson ? jsonFormat() : tableFormat(hasColours);
  const progress = new ScanProgress(err, clock, repositories.length);
  const write = (text: string): void => {
    progress.clear();
    if (text !== '') out.write(text);
  };
  const totals = noTotals();
  write(
    format.begin({
      upstream: config.upstream.url,
      rulesFile: config.rules.file ?? '',
      rulesVersion: scan.rules.version,
      isImmutabilityOn: config.immutability.enabled,
    }),
  );
  const reports = inOrder(repositories, (repository) => scanRepository(scan, repository, progress));
  for await (const report of reports) {
    // What is cut off says nothing of the repository.
    if (signal.aborted) break;
    addTo(totals, report);
    write(format.repository(report));
    progress.repositoryDone();
  }
  write(format.end(totals, signal.aborted));
  progress.end();
  return totals.unread > 0 ? 2 : 0;
}

/** Never rejects. */
async function scanRepository(
  { rules, credentials, upstream, clock }: Scan,
  repository: Repository,
  progress: ScanProgress,
): Promise<RepositoryReport> {
  try {
    const reader = new PatientReader(upstream, clock, credentials.own, patience);
    const reading = { repository, asCaller: await credentials.of(repository), withinMs: walkMs };
    const walk = await walkRepository({ reader, clock }, reading, () => {
      progress.tagDone();
    });
    return reportOf(rules, repository, walk);
  } catch (error) {
    return unreadReport(repository, error instanceof Error ? error.message : String(error));
  }
}

/** One that takes long holds up those after it, so that few are held in memory. */
async function* inOrder<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const running: Promise<Result>[] = [];
  for (const item of items) {
    running.push(work(item));
    const [first] = running;
    if (first && running.length >= repositoriesAtOnce) {
      yield await first;
      void running.shift();
    }
  }
  for (const last of running) yield await last;
}

function fail({ err, signal }: ScanSurroundings, errors: readonly string[], exitCode: number): number {
  // What was cut off is no error of the registry.
  if (signal.aborted) return exitCode;
  for (const error of errors) err.write(`tagwarden: ${error}\n`);
  return exitCode;
}
