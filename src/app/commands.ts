import type { CommandSurroundings } from './explain.ts';

type Command = (around: CommandSurroundings) => Promise<number>;

/** The commands that load what they need themselves, each with its exit code. */
const commands: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['explain', async (around) => (await import('./explain.ts')).runExplain(around)],
  ['rules', async (around) => (await import('./rules.ts')).runRules(around)],
  ['completion', async (around) => (await import('./completion.ts')).runCompletion(around)],
]);

/** @returns undefined where there is no such command, or it is not one of these */
export function commandCalled(name: string): Command | undefined {
  return commands.get(name);
}
