/** How much is done, and by which chance: each can be set by an environment variable. */
export const sizes = {
  /** Printed by every run; the same seed makes the same plan. */
  seed: numberOf('REPLICAS_SEED', Date.now() % 1_000_000_000),
  /** How many push one new tag at once. */
  pushers: numberOf('REPLICAS_PUSHERS', 60),
  raceRounds: numberOf('REPLICAS_RACE_ROUNDS', 200),
  /** Only faults whose name has this. */
  faults: process.env['REPLICAS_FAULTS'] ?? '',
  faultRounds: numberOf('REPLICAS_FAULT_ROUNDS', 200),
  ruleChanges: numberOf('REPLICAS_RULE_CHANGES', 6),
  /** Before each failover; it has rounds of its own. */
  failoverRounds: numberOf('REPLICAS_FAILOVER_ROUNDS', 20),
};

function numberOf(variable: string, standard: number): number {
  const text = process.env[variable];
  if (text === undefined || text === '') return standard;
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${variable} must be a whole number, not "${text}"`);
  return Number(text);
}
