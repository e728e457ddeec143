import { parseArgs } from 'node:util';
import { hashApiToken, newApiToken } from '../adapters/token/api-tokens.ts';
import { parseApiTokens } from '../config/api-tokens.ts';
import { Invalid } from '../config/complaints.ts';
import { readText } from '../config/files.ts';

type MadeToken =
  | { readonly token: string; /** For `admin.token_file`, YAML. */ readonly entry: string }
  | { readonly errors: readonly string[] };

/** `NAME [--role ROLE[:PROJECT]]…` */
export function makeApiToken(argv: readonly string[]): MadeToken {
  let name: string | undefined;
  let roles: readonly string[];
  try {
    const options = { role: { type: 'string', multiple: true } } as const;
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
    if (positionals.length !== 1) return { errors: ['api-token takes one name, of what the token is for'] };
    [name] = positionals;
    roles = values.role ?? ['read'];
  } catch (error) {
    return { errors: [(error as Error).message] };
  }
  const token = newApiToken();
  const lines = [
    `  - name: ${JSON.stringify(name)}`,
    `    sha256: ${hashApiToken(token).toString('hex')}`,
    `    roles: [${roles.map((role) => JSON.stringify(role)).join(', ')}]`,
  ];
  const entry = `${lines.join('\n')}\n`;
  const parsed = parseApiTokens(`tokens:\n${entry}`);
  if ('errors' in parsed)
    return { errors: parsed.errors.map((error) => error.replace(/^[\d:]+ tokens\[0\]\./, '')) };
  return { token, entry };
}

/** Every error of a tokens file, each with its place. */
export function checkApiTokens(path: string): readonly string[] {
  try {
    const parsed = parseApiTokens(readText(path));
    return 'errors' in parsed ? parsed.errors.map((error) => `${path}:${error}`) : [];
  } catch (error) {
    if (error instanceof Invalid) return [error.message];
    throw error;
  }
}
