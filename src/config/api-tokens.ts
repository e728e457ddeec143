import { apiRoles, type ApiCaller, type ApiGrant } from '../core/api-access.ts';
import { isRepository } from '../core/reference.ts';
import { Invalid } from './complaints.ts';
import { readDocument, type Outcome } from './document.ts';
import { chooseFrom, type Entry } from './entry.ts';

/** A token of the management API, as its file has it. */
export interface ApiToken {
  /** Of the token's text: 64 hexadecimal digits. */
  readonly sha256: string;
  readonly caller: ApiCaller;
}

const nameGrammar = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/;
const sizeLimitBytes = 1024 * 1024;

/** Reads a tokens file: all of it, or every error in it as `line:column place: what and its mend`. */
export function parseApiTokens(text: string): Outcome<readonly ApiToken[]> {
  if (Buffer.byteLength(text) > sizeLimitBytes) return { errors: ['1:1 larger than 1 MiB'] };
  return readDocument(text, (root) => {
    // What is left of a line that was cut may grant more: `write` where `write:flightjs` was meant.
    if (!text.endsWith('\n')) root.complain('the last line needs a line break at its end', text.length);
    const list = required(root, 'tokens', root.fields(['tokens'])?.get('tokens'));
    const taken = { names: new Map<string, string>(), hashes: new Map<string, string>() };
    // As it is before the first token is made.
    if (list?.isEmpty) return [];
    return (list?.items() ?? [])
      .map((entry) => readToken(entry, taken))
      .filter((token) => token !== undefined);
  });
}

interface Taken {
  readonly names: Map<string, string>;
  readonly hashes: Map<string, string>;
}

function readToken(entry: Entry, { names, hashes }: Taken): ApiToken | undefined {
  const fields = entry.fields(['name', 'sha256', 'roles']);
  if (!fields) return undefined;
  const name = once(names, required(entry, 'name', fields.get('name')), parseName);
  const sha256 = once(hashes, required(entry, 'sha256', fields.get('sha256')), parseHash);
  const roles = required(entry, 'roles', fields.get('roles'));
  const items = roles?.items();
  if (items?.length === 0) roles?.complain('is empty; such a token may do nothing, so remove it');
  const grants = (items ?? []).map((item) => item.parse(parseGrant)).filter((grant) => grant !== undefined);
  return name === undefined || sha256 === undefined ? undefined : { sha256, caller: { name, grants } };
}

function required(parent: Entry, name: string, entry: Entry | undefined): Entry | undefined {
  if (!entry && parent.isMapping) parent.complain(`needs ${name}`);
  return entry;
}

function once(
  places: Map<string, string>,
  entry: Entry | undefined,
  parse: (text: string) => string,
): string | undefined {
  const value = entry?.parse(parse);
  if (!entry || value === undefined) return undefined;
  const first = places.get(value);
  if (first === undefined) places.set(value, entry.position);
  else entry.complain(`is there twice, first at ${first}; each token has its own`);
  return value;
}

function parseName(text: string): string {
  if (nameGrammar.test(text)) return text;
  throw new Invalid('must be at most 63 letters, digits, ".", "_", "@" and "-"');
}

function parseHash(text: string): string {
  // The text is not repeated: it may be the token itself.
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw new Invalid('must be the SHA-256 of the token, 64 digits 0-9 a-f; use tagwarden api-token');
}

/** As `read` or `write:flightjs`; a project may have a colon of its own, before the port of a host. */
function parseGrant(text: string): ApiGrant {
  const colon = text.indexOf(':');
  if (colon < 0) return { role: chooseFrom(apiRoles, text) };
  const role = chooseFrom(apiRoles, text.slice(0, colon));
  const project = text.slice(colon + 1);
  if (isRepository(project) && project === project.toLowerCase()) return { role, project };
  throw new Invalid(`"${project}" is no project; write the first part of repository paths, in lower case`);
}
