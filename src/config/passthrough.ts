import { RegistryError } from '../core/errors.ts';
import { isAtOrUnder, parseTarget } from '../core/target.ts';
import { otherWritePaths } from '../core/upload-target.ts';
import { Invalid } from './complaints.ts';
import type { Entry } from './entry.ts';
import { listOf, type Kind } from './kinds.ts';

/** A part of the upstream outside `/v2/` that is forwarded as it is: it covers `/ui` and `/ui/…`, never `/uix`. */
export interface Passthrough {
  /** Without a slash at its end. */
  readonly prefix: string;
  readonly methods: readonly Method[];
}

export type Method = (typeof allMethods)[number];

const allMethods = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
const readMethods: readonly Method[] = ['GET', 'HEAD'];
// Here a registry is written to, in the distribution-spec's way, in GitLab's and in Harbor's.
const writePaths = ['/v2', ...otherWritePaths];

/** A list of prefixes, or of `{ prefix, methods }` where more than reading is meant. */
export const passthroughs: Kind<readonly Passthrough[]> = listOf({
  placeholder: 'PREFIX',
  fromText: (text) => ({ prefix: parsePrefix(text), methods: readMethods }),
  fromEntry: readPassthrough,
  toYaml: (text) => text,
  schema: {
    anyOf: [
      { type: 'string' },
      {
        type: 'object',
        properties: {
          prefix: { type: 'string' },
          methods: { type: 'array', minItems: 1, items: { enum: allMethods } },
        },
        required: ['prefix'],
        additionalProperties: false,
      },
    ],
  },
});

function readPassthrough(entry: Entry): Passthrough | undefined {
  if (!entry.isMapping) {
    const prefix = entry.parse(parsePrefix);
    return prefix === undefined ? undefined : { prefix, methods: readMethods };
  }
  const fields = entry.fields(['prefix', 'methods']);
  if (fields && !fields.has('prefix')) entry.complain('needs prefix');
  const prefix = fields?.get('prefix')?.parse(parsePrefix);
  const methods = fields?.has('methods') ? readMethodList(fields.get('methods')) : readMethods;
  return prefix === undefined ? undefined : { prefix, methods };
}

function readMethodList(entry: Entry | undefined): readonly Method[] {
  const items = entry?.items() ?? [];
  if (items.length === 0) entry?.complain(`names no method; leave it out for ${readMethods.join(', ')}`);
  return items.map((item) => item.oneOf(allMethods)).filter((method) => method !== undefined);
}

function parsePrefix(text: string): string {
  const prefix = text.length > 1 && text.endsWith('/') ? text.slice(0, -1) : text;
  if (text.includes('%') || text.includes('?') || !isCanonicalPath(prefix)) {
    throw new Invalid(`"${text}" is no path in its canonical form, as /ui: no "%", no "//", no dot segments`);
  }
  const lower = prefix.toLowerCase();
  const hit = writePaths.find((path) => isAtOrUnder(lower, path) || isAtOrUnder(path, lower));
  if (hit !== undefined)
    throw new Invalid(`"${text}" would open a way around the rules, at ${hit}; leave it out`);
  return prefix;
}

function isCanonicalPath(text: string): boolean {
  try {
    return parseTarget(text).path === text;
  } catch (error) {
    if (error instanceof RegistryError) return false;
    throw error;
  }
}
