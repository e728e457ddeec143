import { RE2JS } from 're2js';
import {
  hasLiteral,
  literalOfPieces,
  literalThatIsAll,
  requiredLiteral,
  type Literal,
} from './pattern-literal.ts';
import { RecentlyUsed } from './recently-used.ts';

/** Matching takes linear time, whatever the pattern. */
export interface Pattern {
  readonly source: string;
  /** Every text that matches has it; that of a repository pattern is in lower case. */
  readonly literal: Literal;
  matches(text: string): boolean;
}

/** The message says what is wrong with the pattern, for the one who wrote the rule. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

export const repositoryPatternLengthLimit = 255;
const tagPatternLengthLimit = 1000;
const repositoryPatternGrammar = /^[A-Za-z0-9*](?:[A-Za-z0-9._:*-]|\/(?!\/|$))*$/;

/**
 * GitLab's wildcard: `*` is any run of characters, "/" and none included; the whole path, in any case.
 * @throws PatternError
 */
export function compileRepositoryPattern(source: string): Pattern {
  if (source.length > repositoryPatternLengthLimit) {
    throw new PatternError(`longer than ${repositoryPatternLengthLimit} characters`);
  }
  if (!repositoryPatternGrammar.test(source)) {
    throw new PatternError(
      'not a repository path with optional wildcards (*); regular expressions are for tags',
    );
  }
  const pieces = source.toLowerCase().split('*');
  const matches = (path: string): boolean => matchesPieces(pieces, path.toLowerCase());
  return { source, literal: literalOfPieces(pieces), matches };
}

/** No repository pattern ends with it. */
const projectSuffix = '{,/*}';

/** What a project has: the repository of its own name, and all below it. Its source is as `flightjs{,/*}`. */
export function compileProjectPattern(path: string): Pattern {
  const whole = path.toLowerCase();
  const matches = (text: string): boolean => {
    const repository = text.toLowerCase();
    return repository === whole || repository.startsWith(`${whole}/`);
  };
  return { source: `${path}${projectSuffix}`, literal: literalOfPieces([whole, '']), matches };
}

/**
 * A repository pattern of a project's rule. As in GitLab it need only begin with the project's path, and is about the
 * repositories of that project alone: `flight*` of the project `flight` is not about `flightjs`.
 * @throws PatternError
 */
export function compileWithin(project: string, source: string): Pattern {
  const pattern = compileRepositoryPattern(source);
  const own = compileProjectPattern(project);
  return { ...pattern, matches: (path) => pattern.matches(path) && own.matches(path) };
}

/**
 * By its source, either of the two.
 * @throws PatternError
 */
export function compileSelection(source: string): Pattern {
  if (!source.endsWith(projectSuffix)) return compileRepositoryPattern(source);
  const path = source.slice(0, -projectSuffix.length);
  if (path.includes('*')) throw new PatternError('a project has no wildcards');
  return compileProjectPattern(compileRepositoryPattern(path).source);
}

/** Leftmost match of each piece between two wildcards: linear, for a piece never has to be given back. */
function matchesPieces(pieces: readonly string[], path: string): boolean {
  const [first = '', ...rest] = pieces;
  const last = rest.pop();
  if (last === undefined) return path === first;
  if (!path.startsWith(first)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = path.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return path.length - last.length >= at && path.endsWith(last);
}

/**
 * RE2 syntax, unanchored and case-sensitive as GitLab's: `ta` matches `tag1`.
 * @throws PatternError
 */
export function compileTagPattern(source: string): Pattern {
  if (source === '') throw new PatternError('empty; for every tag write .*');
  if (source.length > tagPatternLengthLimit) {
    throw new PatternError(`longer than ${tagPatternLengthLimit} characters`);
  }
  if (!literalThatIsAll(source)) programOf(source);
  return checkedTagPattern(source);
}

/** Names what decides which tag patterns are valid, and what they mean. */
export const tagPatternLanguage = 're2js 2.10.0';

/**
 * The pattern of a source that `compileTagPattern` has accepted before, maybe in another process of the same
 * `tagPatternLanguage`: compiled when a tag has its literal, which for most of 10,000 rules is never.
 */
export function checkedTagPattern(source: string): Pattern {
  const all = literalThatIsAll(source);
  if (all) return { source, literal: all, matches: (tag) => hasLiteral(tag, all) };
  const literal = requiredLiteral(source);
  return { source, literal, matches: (tag) => hasLiteral(tag, literal) && programOf(source).test(tag) };
}

/**
 * The programs of all rule sets and tokens. An instruction takes some 700 bytes, a program 5 to 20 KB: 10,000 of them
 * would not fit. Where more patterns are asked in turn than fit, each is compiled each time, which takes 0.1 ms.
 */
const instructionsLimit = 15_000;
const programs = new RecentlyUsed<RE2JS>(instructionsLimit, (program) =>
  Math.min(program.programSize(), instructionsLimit),
);

function programOf(source: string): RE2JS {
  return programs.get(source, compileProgram);
}

/** How large the program of a pattern is: what a tag costs that it is asked of, in the worst case. */
export function sizeOfTagPattern(source: string): number {
  return literalThatIsAll(source) ? 0 : programOf(source).programSize();
}

/** @throws PatternError */
function compileProgram(source: string): RE2JS {
  try {
    return RE2JS.compile(source);
  } catch (error) {
    throw new PatternError(error instanceof Error ? error.message : String(error));
  }
}
