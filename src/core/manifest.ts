import { isDigest, type Digest } from './reference.ts';

const stringLiteral = /"(?:[^"\\]|\\.)*"/gs;

/**
 * Every digest that a document names anywhere: a superset of what any client would pull by it, however its parser
 * reads keys that are there twice or spelt in another case.
 */
export function digestsNamedIn(document: string): readonly Digest[] {
  const named = new Set<Digest>();
  for (const [literal] of document.matchAll(stringLiteral)) {
    const text = unescaped(literal);
    if (text !== undefined && isDigest(text)) named.add(text);
  }
  return [...named];
}

/** Go's parser reads `\u0073ha256:…` too. */
function unescaped(literal: string): string | undefined {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return JSON.parse(literal) as string;
  } catch {
    return undefined;
  }
}
