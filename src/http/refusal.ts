import type { Stop } from '../core/verdict.ts';
import { RegistryError } from '../core/errors.ts';

/** A decision as the error that the client gets. */
export function refusalError({ refusal, ruleIds }: Stop): RegistryError {
  return new RegistryError(refusal.code, { ...refusal, ruleIds });
}
