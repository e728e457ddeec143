/** What `If-None-Match` asks for: an answer unless the current one is one of these; `*`: unless there is any. */
export type NoneMatch = '*' | readonly string[];

// RFC 9110, section 8.8.3: a comma may be part of a tag.
const member = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/y;
const between = /[ \t,]*/y;

/**
 * Reads a list of entity tags (RFC 9110, section 13.1.2), from several fields as from one.
 * @returns undefined for what is no such list, also for an empty one: servers differ in what they make of it
 */
export function parseNoneMatch(values: readonly string[]): NoneMatch | undefined {
  const list = values.join(',');
  if (list.trim() === '*') return '*';
  const tags: string[] = [];
  for (let at = endOf(between, list, 0); at < list.length;) {
    const end = endOf(member, list, at);
    if (end === at) return undefined;
    tags.push(list.slice(at, end));
    at = endOf(between, list, end);
    const isParted = list.slice(end, at).includes(',');
    if (at < list.length && !isParted) return undefined;
  }
  return tags.length > 0 ? tags : undefined;
}

/** Whether the answer with this entity tag is what the client has: by the weak comparison (RFC 9110, section 8.8.3.2). */
export function isKnownTo(condition: NoneMatch, entityTag: string): boolean {
  if (condition === '*') return true;
  return condition.some((tag) => opaque(tag) === opaque(entityTag));
}

function opaque(entityTag: string): string {
  return entityTag.startsWith('W/') ? entityTag.slice(2) : entityTag;
}

/** Where `pattern`, sticky, stops matching; `at` where it does not match there. */
function endOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}
