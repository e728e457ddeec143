export const programEnvironment: NodeJS.ProcessEnv;
export function findProgram(...names: readonly string[]): string | undefined;
