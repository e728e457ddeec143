import { steadyClock } from '../adapters/clock.ts';
import type { Config } from '../config/config.ts';
import { readExplainArguments, type ExplainArguments } from '../config/explain-arguments.ts';
import { loadConfig, type Surroundings } from '../config/load.ts';
import { actionOf, explain, referenceOf } from '../core/explain.ts';
import type { RuleSet } from '../core/rule.ts';
import { suppose } from '../http/supposed-caller.ts';
import { gatherFacts, type FactPorts, type Supposition } from '../http/explain-facts.ts';
import { reportOf, type ExplainReport, type Verdict } from '../http/explain-report.ts';
import { explainSources } from './explain-sources.ts';
import { explainText } from './explain-text.ts';
import { filedRules } from './filed-rules.ts';
import { askInstance, InstanceError } from './instance.ts';
import type { OutputStream } from './scan-output.ts';
import { openUpstream } from './upstream.ts';

export interface CommandSurroundings extends Pick<Surroundings, 'argv' | 'env' | 'cwd'> {
  readonly out: OutputStream;
  readonly err: OutputStream;
}

/** What was asked wrongly, and what could not be asked (sysexits.h: EX_USAGE, EX_UNAVAILABLE). */
export const usageError = 64;
export const unavailable = 69;

const exitCodes: Readonly<Record<Verdict, number>> = { allowed: 0, denied: 1, undecided: 2 };

/** @returns the exit code: 0 allowed, 1 denied, 2 undecided, 64 asked wrongly, 69 the instance does not say */
export async function runExplain(around: CommandSurroundings): Promise<number> {
  const { told, flags, errors } = readExplainArguments(around.argv);
  if (told?.instance) {
    if (flags.length > 0) errors.push(`flag ${flags[0] ?? ''}: does nothing with --instance; leave it out`);
    if (errors.length > 0) return fail(around, errors, usageError);
    try {
      return tell(around, told, await explainThere(told, around));
    } catch (error) {
      if (error instanceof InstanceError) return fail(around, [error.message], unavailable);
      throw error;
    }
  }
  const loaded = loadConfig({ ...around, argv: flags, withoutRedis: true, withoutUpstream: true });
  if ('errors' in loaded) return fail(around, [...errors, ...loaded.errors], usageError);
  const rules = filedRules(loaded.config);
  if ('errors' in rules) return fail(around, [...errors, ...rules.errors], usageError);
  if (!told || errors.length > 0) return fail(around, errors, usageError);
  return tell(around, told, await explainHere(loaded.config, rules, told));
}

/** By the rules of a file; what must be known of the tag is asked of the upstream, if one is configured. */
async function explainHere(config: Config, rules: RuleSet, told: ExplainArguments): Promise<ExplainReport> {
  if (config.upstream.url === '') return explainBy(rules, config, told, { reason: nowhereToAsk });
  const opened = await openUpstream(config.upstream).catch((error: unknown) => error as Error);
  if (opened instanceof Error) return explainBy(rules, config, told, { reason: opened.message });
  try {
    return await explainBy(rules, config, told, await explainSources(config, opened.upstream));
  } finally {
    await opened.close();
  }
}

const nowhereToAsk = 'no --upstream is given';

export async function explainBy(
  rules: RuleSet,
  { auth }: Pick<Config, 'auth'>,
  told: ExplainArguments,
  sources: FactPorts['sources'],
): Promise<ExplainReport> {
  const supposed: Supposition = { ...told, caller: suppose(auth, told) };
  const facts = await gatherFacts(rules, supposed, { clock: steadyClock, sources });
  const explanation = explain(rules, supposed.operation, supposed.caller, facts);
  return reportOf(explanation, supposed, facts, rules.version);
}

async function explainThere(told: ExplainArguments, around: CommandSurroundings): Promise<ExplainReport> {
  const { operation, subject, groups, level, pushed, is } = told;
  const question = {
    action: actionOf(operation),
    repository: operation.repository,
    reference: referenceOf(operation),
    ...{ subject, groups, access_level: level, pushed },
    ...(is === 'absent' ? { absent: true } : { is }),
  };
  const answer = await askInstance(told, around, { method: 'POST', path: '/api/v4/explain', body: question });
  return answer as ExplainReport;
}

function tell({ out }: CommandSurroundings, { isJson }: ExplainArguments, report: ExplainReport): number {
  out.write(isJson ? `${JSON.stringify(report, undefined, 2)}\n` : explainText(report));
  return exitCodes[report.verdict];
}

export function fail({ err }: Pick<CommandSurroundings, 'err'>, errors: readonly string[], exitCode: number) {
  for (const error of errors) err.write(`tagwarden: ${error}\n`);
  return exitCode;
}
