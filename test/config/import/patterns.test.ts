import fc from 'fast-check';
import t from 'tap';
import { importRules } from '../../../src/config/import/import-rules.ts';
import { parseRules } from '../../../src/config/rules.ts';
import type { Repository, Tag } from '../../../src/core/reference.ts';
import { repositoryRulesFor, tagRulesFor, type RuleSet } from '../../../src/core/rule.ts';

/** As the rules file that is written is read. */
function imported(document: unknown, from: 'gitlab' | 'harbor' | 'ecr', project?: string): RuleSet {
  const projects = new Map(project === undefined ? [] : [[undefined, project]]);
  const outcome = importRules(JSON.stringify(document), { from, projects });
  if ('errors' in outcome) throw new Error(outcome.errors.join('\n'));
  const parsed = parseRules(outcome.text);
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  return parsed.rules;
}

/** `*` is any run of characters; by trying every one. */
function wildcardMatches(pattern: string, text: string): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return text === '';
  const others = rest.join('');
  if (first !== '*') return text.startsWith(first) && wildcardMatches(others, text.slice(1));
  return Array.from({ length: text.length + 1 }, (_, at) => text.slice(at)).some((left) =>
    wildcardMatches(others, left),
  );
}

/** What stands before, in and after the first pair of braces, nested ones included. */
function expanded(pattern: string): readonly string[] {
  const open = pattern.indexOf('{');
  if (open < 0) return [pattern];
  let depth = 0;
  const cuts = [open];
  for (let at = open; at < pattern.length; at += 1) {
    if (pattern[at] === '{') depth += 1;
    if (pattern[at] === '}') depth -= 1;
    if ((depth === 1 && pattern[at] === ',') || depth === 0) cuts.push(at);
    if (depth === 0) break;
  }
  const [before, after] = [pattern.slice(0, open), pattern.slice((cuts.at(-1) ?? 0) + 1)];
  return cuts
    .slice(1)
    .map((end, index) => pattern.slice((cuts[index] ?? 0) + 1, end))
    .flatMap((choice) => expanded(before + choice + after));
}

/** One component of a path, or a tag: `?` is one character, `[a-c]` one of a class. */
function componentMatches(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  const [, negation, members = ''] = /^\[(\^?)([^\]]+)\]/.exec(pattern) ?? [];
  if (negation !== undefined) {
    const width = members.length + negation.length + 2;
    const isIn = (character: string): boolean =>
      /^.-.$/.test(members)
        ? character >= (members[0] ?? '') && character <= (members[2] ?? '')
        : members.includes(character);
    return (
      text !== '' &&
      isIn(text[0] ?? '') === (negation === '') &&
      componentMatches(pattern.slice(width), text.slice(1))
    );
  }
  if (pattern.startsWith('*')) {
    return (
      componentMatches(pattern.slice(1), text) || (text !== '' && componentMatches(pattern, text.slice(1)))
    );
  }
  const isSame = pattern.startsWith('?') ? text !== '' : text !== '' && pattern[0] === text[0];
  return isSame && componentMatches(pattern.slice(1), text.slice(1));
}

/** `**` is any number of components, but at the end at least one. */
function pathMatches(pattern: readonly string[], path: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return path.length === 0;
  if (first === '**' && rest.length === 0) return path.length > 0;
  if (first === '**') return path.some((_, at) => pathMatches(rest, path.slice(at)));
  return path.length > 0 && componentMatches(first, path[0] ?? '') && pathMatches(rest, path.slice(1));
}

const letters = fc.constantFrom('a', 'b', 'c', '1', '.', '-', '_');
const tags = fc
  .array(letters, { minLength: 1, maxLength: 5 })
  .map((text) => text.join('') as Tag)
  .filter((tag) => /^[a-z0-9_]/.test(tag));
const run = { numRuns: 400 };

t.test("Harbor's patterns of tags", (t) => {
  const piece: fc.Arbitrary<string> = fc.letrec<{ piece: string }>((tie) => ({
    piece: fc.oneof(
      { maxDepth: 2 },
      letters,
      fc.constantFrom('*', '**', '?', '[ab]', '[^ab]', '[a-c]'),
      fc.array(tie('piece'), { minLength: 1, maxLength: 3 }).map((choices) => `{${choices.join(',')}}`),
    ),
  })).piece;
  const patterns = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join(''));
  const counts = { yes: 0, no: 0 };
  fc.assert(
    fc.property(
      patterns,
      fc.boolean(),
      fc.array(tags, { minLength: 10, maxLength: 10 }),
      (pattern, isExclusion, names) => {
        const rule = {
          ...{ id: 3, disabled: false, action: 'immutable', template: 'immutable_template' },
          tag_selectors: [{ kind: 'doublestar', decoration: isExclusion ? 'excludes' : 'matches', pattern }],
          scope_selectors: { repository: [{ kind: 'doublestar', decoration: 'repoMatches', pattern: '**' }] },
        };
        const rules = imported([rule], 'harbor', 'library');
        for (const tag of names) {
          const expected = expanded(pattern).some((plain) => componentMatches(plain, tag)) !== isExclusion;
          counts[expected ? 'yes' : 'no'] += 1;
          const found = tagRulesFor(rules, 'library/app' as Repository, tag);
          if (found.length > 0 !== expected) throw new Error(`${pattern} and ${tag}: ${expected}`);
          if (tagRulesFor(rules, 'other/app' as Repository, tag).length > 0)
            throw new Error('another project');
        }
      },
    ),
    run,
  );
  t.ok(counts.yes > 200 && counts.no > 200, JSON.stringify(counts));
  t.end();
});

t.test("Harbor's patterns of repositories", (t) => {
  const component = fc.constantFrom('**', '**', 'a', 'b', '{a,b}', '{a,b}c', 'a.b');
  const patterns = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const paths = fc.array(fc.constantFrom('a', 'b', 'ac', 'bc', 'a.b'), { minLength: 1, maxLength: 4 });
  const counts = { yes: 0, no: 0 };
  fc.assert(
    fc.property(patterns, fc.array(paths, { minLength: 10, maxLength: 10 }), (pattern, all) => {
      const rule = {
        id: 3,
        tag_selectors: [{ kind: 'doublestar', decoration: 'matches', pattern: '**' }],
        scope_selectors: { repository: [{ kind: 'doublestar', decoration: 'repoMatches', pattern }] },
      };
      const rules = imported([rule], 'harbor', 'library');
      for (const path of all) {
        const expected = expanded(pattern).some((plain) => pathMatches(plain.split('/'), path));
        counts[expected ? 'yes' : 'no'] += 1;
        const found = tagRulesFor(rules, `library/${path.join('/')}` as Repository, 'v1' as Tag);
        if (found.length > 0 !== expected) throw new Error(`${pattern} and ${path.join('/')}: ${expected}`);
      }
    }),
    run,
  );
  t.ok(counts.yes > 200 && counts.no > 200, JSON.stringify(counts));
  t.end();
});

t.test("ECR's filters", (t) => {
  const filter = fc
    .array(fc.oneof(letters, fc.constant('*')), { minLength: 1, maxLength: 4 })
    .map((all) => all.join(''));
  const mutability = fc.constantFrom(
    'IMMUTABLE_WITH_EXCLUSION',
    'MUTABLE_WITH_EXCLUSION',
    'IMMUTABLE',
    'MUTABLE',
  );
  fc.assert(
    fc.property(
      fc.array(filter, { maxLength: 5 }),
      mutability,
      fc.array(tags, { minLength: 10 }),
      (filters, kind, names) => {
        const repository = {
          repositoryName: 'team/app',
          imageTagMutability: kind,
          imageTagMutabilityExclusionFilters: filters.map((text) => ({
            filterType: 'WILDCARD',
            filter: text,
          })),
        };
        const rules = imported({ repositories: [repository] }, 'ecr');
        for (const tag of names) {
          const isExcluded =
            kind.endsWith('EXCLUSION') && filters.some((pattern) => wildcardMatches(pattern, tag));
          const expected = kind.startsWith('IMMUTABLE') !== isExcluded;
          if (tagRulesFor(rules, 'team/app' as Repository, tag).length > 0 !== expected)
            throw new Error(`${filters.join()} and ${tag}: ${expected}`);
        }
      },
    ),
    run,
  );
  t.end();
});

t.test("GitLab's patterns are about the repositories of the project alone", (t) => {
  const rest = fc
    .array(fc.constantFrom('*', 'a', 'b', '/a', '-'), { maxLength: 4 })
    .map((all) => all.join(''));
  const path = fc.constantFrom('', '/a', '/b', '/a/b', '/ab', '/a-b', 'a', '-b', '/b/a');
  const counts = { yes: 0, no: 0 };
  fc.assert(
    fc.property(rest, fc.array(path, { minLength: 10, maxLength: 10 }), (text, paths) => {
      const pattern = `Team/App${text}`;
      const inProject = (name: string): boolean => name === 'team/app' || name.startsWith('team/app/');
      const outcome = importRules(
        JSON.stringify([{ id: 1, repository_path_pattern: pattern, minimum_access_level_for_push: 'owner' }]),
        {
          projects: new Map([[undefined, 'team/app']]),
        },
      );
      // A pattern that matches nothing is told of, and one that is no pattern.
      if ('errors' in outcome && !/matches no repository|not a pattern/.test(outcome.errors.join()))
        throw new Error(outcome.errors.join());
      const parsed = 'errors' in outcome ? undefined : parseRules(outcome.text);
      if (parsed && 'errors' in parsed) throw new Error(parsed.errors.join());
      for (const end of paths) {
        const name = `team/app${end}`;
        const expected = inProject(name) && wildcardMatches(pattern.toLowerCase(), name);
        counts[expected ? 'yes' : 'no'] += 1;
        const found = parsed ? repositoryRulesFor(parsed.rules, name as Repository).length > 0 : false;
        if (found !== expected && !('errors' in outcome && /not a pattern/.test(outcome.errors.join())))
          throw new Error(`${pattern} and ${name}: ${expected}`);
      }
    }),
    run,
  );
  t.ok(counts.yes > 200 && counts.no > 200, JSON.stringify(counts));
  t.end();
});
