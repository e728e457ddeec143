import { Inexpressible } from './imported.ts';

/** All that a tag, or a component of a repository's path, may hold. */
const plain = /^[A-Za-z0-9._-]$/;
const expansionLimit = 200;

/**
 * A pattern of ECR's, as RE2 for the whole tag: `*` is any run of characters, and all else is itself.
 * @throws Inexpressible
 */
export function wildcardToRe2(pattern: string): string {
  return pattern.replace(/./gsu, (character) => (character === '*' ? '.*' : literal(character)));
}

/**
 * A doublestar pattern for tags, as RE2 for the whole tag. No tag has a slash, and so `**` is `*`.
 * @throws Inexpressible
 */
export function doublestarToRe2(pattern: string): string {
  if (pattern === '') return '.*';
  const [text, rest] = alternative(pattern, false);
  if (rest !== '') throw new Inexpressible(`its pattern ${pattern} has a "}" too many`);
  return text;
}

/** Up to the end, or to what ends an alternative. */
function alternative(pattern: string, isNested: boolean): readonly [re2: string, rest: string] {
  let re2 = '';
  let rest = pattern;
  while (rest !== '') {
    const [character = ''] = rest;
    if (isNested && (character === ',' || character === '}')) break;
    const [piece, after] = character === '{' ? alternatives(rest.slice(1)) : single(rest);
    re2 += piece;
    rest = after;
  }
  return [re2.replace(/(?:\.\*){2,}/g, '.*'), rest];
}

function alternatives(pattern: string): readonly [re2: string, rest: string] {
  const choices: string[] = [];
  for (let rest = pattern; ;) {
    const [choice, after] = alternative(rest, true);
    choices.push(choice);
    rest = after.slice(1);
    if (after.startsWith('}')) return [`(?:${choices.join('|')})`, rest];
    if (!after.startsWith(',')) throw new Inexpressible('its pattern has a "{" without "}"');
  }
}

function single(pattern: string): readonly [re2: string, rest: string] {
  const [character = '', next = ''] = pattern;
  switch (character) {
    case '*':
      return ['.*', pattern.slice(1)];
    case '?':
      return ['.', pattern.slice(1)];
    case '\\':
      return [literal(next), pattern.slice(2)];
    case '[':
      return characterClass(pattern);
    default:
      return [literal(character), pattern.slice(1)];
  }
}

const classGrammar = /^\[(\^?)((?:[A-Za-z0-9._](?:-[A-Za-z0-9._])?)+)\]/;

function characterClass(pattern: string): readonly [re2: string, rest: string] {
  const [whole = '', negation = '', members = ''] = classGrammar.exec(pattern) ?? [];
  const ranges = members.match(/.-./g) ?? [];
  if (whole === '' || ranges.some(([low = '', , high = '']) => low > high)) {
    throw new Inexpressible(`a class of its pattern is not one of letters, digits, "." and "_": ${pattern}`);
  }
  return [`[${negation}${members}]`, pattern.slice(whole.length)];
}

/** @throws Inexpressible */
function literal(character: string): string {
  if (character === '.') return '\\.';
  if (plain.test(character)) return character;
  throw new Inexpressible(`its pattern has ${JSON.stringify(character)}, which is in no tag`);
}

/**
 * A doublestar pattern for repositories, below a project, as patterns of ours: `**` is any number of components, and ours
 * cannot say what is within one.
 * @throws Inexpressible
 */
export function doublestarToPaths(pattern: string, project: string): readonly string[] {
  const paths = expandBraces(pattern === '' ? '**' : pattern).flatMap((path) => pathsOf(path));
  return [...new Set(paths.map((path) => `${project}/${path}`))];
}

/** `{a,b}/c` as `a/c` and `b/c`. */
function expandBraces(pattern: string): readonly string[] {
  const open = pattern.indexOf('{');
  if (open < 0) {
    if (pattern.includes('}')) throw new Inexpressible(`its pattern ${pattern} has a "}" too many`);
    return [pattern];
  }
  const close = pattern.indexOf('}', open);
  const inner = pattern.slice(open + 1, close);
  if (close < 0 || inner.includes('{'))
    throw new Inexpressible(`its pattern ${pattern} has braces in braces`);
  if (inner.includes('/')) throw new Inexpressible(`its pattern ${pattern} has a slash in braces`);
  const expanded = inner
    .split(',')
    .flatMap((choice) => expandBraces(pattern.slice(0, open) + choice + pattern.slice(close + 1)));
  if (expanded.length > expansionLimit) throw new Inexpressible(`its pattern ${pattern} stands for too many`);
  return expanded;
}

/** Of `**` in the middle, or at the beginning, there may be none; at the end there is at least one component. */
function pathsOf(pattern: string): readonly string[] {
  const components = pattern
    .split('/')
    .filter((component, at, all) => component !== '**' || all[at - 1] !== '**');
  let paths: readonly string[] = [''];
  components.forEach((component, at) => {
    if (component !== '**') checkComponent(component, pattern);
    const isLast = at === components.length - 1;
    const choices = component !== '**' ? [component] : isLast ? ['*'] : ['', '*'];
    paths = paths.flatMap((path) => choices.map((choice) => [path, choice].filter(Boolean).join('/')));
  });
  return paths;
}

function checkComponent(component: string, pattern: string): void {
  if (/^[a-z0-9._-]+$/.test(component)) return;
  const why = /[*?[]/.test(component)
    ? `its repository pattern ${pattern} stands for one component of a path: here * crosses slashes`
    : `its repository pattern ${pattern} is no path of a repository`;
  throw new Inexpressible(`${why}; name the repositories one by one, or use **`);
}
