import { readRulesFiles } from '../adapters/managed-rules-file.ts';
import { inForceAfter } from '../adapters/rules-in-force.ts';
import { readRulesFile } from '../adapters/rules-watch.ts';
import type { Config } from '../config/config.ts';
import type { RuleSet } from '../core/rule.ts';

/** The rules that `serve` would begin with, for a command that asks no Redis. */
export function filedRules(config: Config): RuleSet | { readonly errors: readonly string[] } {
  // INVARIANT: without Redis it is required.
  const file = config.rules.file ?? '';
  const parsed = config.redis ? readRulesFile(file) : readRulesFiles(file, config.rules.managedFile);
  if ('errors' in parsed) return parsed;
  const position = { isEnabled: config.immutability.enabled, admitsFirstPushFromMs: 0 };
  return inForceAfter(undefined, { rules: parsed.rules, switch: position }, 0).effective;
}
