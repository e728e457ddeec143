import { isMap, isScalar, isSeq, parseDocument, type ParsedNode } from 'yaml';
import { managedStateOf, type ManagedState } from '../core/managed-rules.ts';
import type { RuleSet } from '../core/rule.ts';
import {
  applyEdits,
  editCollection,
  emptyList,
  endOfLines,
  fillList,
  indentOf,
  replaceScalar,
  rootOf,
  type Edit,
  type Mapping,
} from './document-edits.ts';
import {
  flowText,
  itemLines,
  listNames,
  listsOf,
  saysTheSame,
  scalarText,
  type Lists,
  type Words,
} from './managed-entries.ts';
import { parseManagedRules } from './managed-rules.ts';

/** A file that has no rules yet. The last line is YAML's mark: what is cut off from a text that has it never counts. */
export const noManagedRules = `# Rules that Tagwarden's management API keeps. They may be edited here too, while it runs (docs/rules.md).
next_number: 1
projects: []
repository_rules: []
tag_rules: []
...
`;

/** The file cannot be rewritten so that it says what it should. */
export class EditRefused extends Error {}

/** A text, and what it says. */
export interface EditedRules {
  readonly text: string;
  readonly rules: RuleSet;
}

/**
 * A file of managed rules after a change. Only what has changed is written: comments, order and form of all else stay
 * as they are.
 * @param text that says `before`
 * @throws EditRefused
 */
export function editManagedRules(text: string, before: ManagedState, after: ManagedState): EditedRules {
  const options = { keepSourceTokens: true, stringKeys: true, uniqueKeys: false } as const;
  const root = rootOf(parseDocument(text, { ...options, resolveKnownTags: false, logLevel: 'error' }));
  if (!root) throw new EditRefused('it has no rules');
  const [wasSaid, isSaid] = [listsOf(before), listsOf(after)];
  const edited = applyEdits(text, [
    ...editNumber(text, root, before.nextNumber, after.nextNumber),
    ...listNames.flatMap((name) => editList(text, root, name, diff(wasSaid[name], isSaid[name]))),
    ...addLists(text, root, isSaid),
  ]);
  const parsed = parseManagedRules(edited);
  if ('errors' in parsed || !saysTheSame(managedStateOf(parsed.rules), after))
    throw new EditRefused('its form is too unusual; write its lists as lists of "- number: …"');
  return { text: edited, rules: parsed.rules };
}

interface Difference {
  readonly removed: ReadonlySet<unknown>;
  readonly added: readonly Words[];
  readonly changed: ReadonlyMap<unknown, Words>;
}

function diff(before: readonly Words[], after: readonly Words[]): Difference {
  const known = new Map(before.map((words) => [words.number, JSON.stringify(words)]));
  const kept = new Set(after.map(({ number }) => number));
  return {
    removed: new Set([...known.keys()].filter((number) => !kept.has(number))),
    added: after.filter(({ number }) => !known.has(number)),
    changed: new Map(
      after
        .filter((words) => known.has(words.number) && known.get(words.number) !== JSON.stringify(words))
        .map((words) => [words.number, words]),
    ),
  };
}

function editNumber(text: string, root: Mapping, before: number, after: number): Edit[] {
  const value = valueOf(root, 'next_number');
  return before === after || !value ? [] : [replaceScalar(text, value, String(after))];
}

function editList(
  text: string,
  root: Mapping,
  name: string,
  { removed, added, changed }: Difference,
): Edit[] {
  const pair = root.items.find(({ key }) => isScalar(key) && key.value === name);
  const list = pair?.value;
  if (!pair || !isSeq(list) || removed.size + added.length + changed.size === 0) return [];
  const entries = list.items.map((item) => (isMap(item) ? item : undefined));
  const numberOf = (entry: Mapping | undefined): unknown => {
    const number = entry && valueOf(entry, 'number');
    return isScalar(number) ? Number(number.source) : undefined;
  };
  const edits = entries.flatMap((entry) => {
    const words = changed.get(numberOf(entry));
    return entry && words ? editEntry(text, entry, words) : [];
  });
  if (entries.length === 0 && root.flow !== true)
    return [
      ...edits,
      ...fillList(
        text,
        list,
        added.map((words) => itemLines(words, '  ')),
      ),
    ];
  const indent = indentOf(text, list);
  const isEmptied = list.flow !== true && added.length === 0 && removed.size === entries.length;
  return [
    ...(isEmptied ? emptyList(pair) : []),
    ...edits,
    ...editCollection(text, list, {
      isRemoved: (index) => removed.has(numberOf(entries[index])),
      added: added.map((words) => (list.flow === true ? flowText(words) : itemLines(words, indent))),
    }),
  ];
}

/** Sets what is said otherwise, and keeps the rest where it is. */
function editEntry(text: string, entry: Mapping, words: Words): Edit[] {
  const names = entry.items.map(({ key }) => (isScalar(key) ? String(key.value) : ''));
  const fresh = Object.entries(words).filter(([name]) => !names.includes(name));
  const indent = indentOf(text, entry);
  const replaced = names.flatMap((name) => {
    const [value, word] = [valueOf(entry, name), words[name]];
    if (!isScalar(value) || word === undefined || value.value === word) return [];
    return [replaceScalar(text, value, scalarText(word))];
  });
  const change = {
    // That it denies, as rules do, may be written down.
    isRemoved: (index: number) =>
      !Object.hasOwn(words, names[index] ?? '') && !saysDefault(entry, names[index]),
    added: fresh.map(([name, word]) => {
      const said = `${name}: ${scalarText(word)}`;
      return entry.flow === true ? said : `${indent}${said}\n`;
    }),
  };
  return [...replaced, ...editCollection(text, entry, change)];
}

function saysDefault(entry: Mapping, name = ''): boolean {
  const value = valueOf(entry, name);
  return isScalar(value) && (name === 'enforcement' ? value.value === 'deny' : value.value === false);
}

/** Lists that the file has not had. */
function addLists(text: string, root: Mapping, lists: Lists): Edit[] {
  const missing = listNames.filter((name) => !valueOf(root, name) && lists[name].length > 0);
  if (missing.length === 0) return [];
  if (root.flow === true) {
    const added = missing.map((name) => `${name}: [${lists[name].map(flowText).join(', ')}]`);
    return editCollection(text, root, { isRemoved: () => false, added });
  }
  const at = endOfLines(text, root);
  const lines = missing.map(
    (name) => `${name}:\n${lists[name].map((words) => itemLines(words, '  ')).join('')}`,
  );
  return [{ from: at, to: at, text: lines.join('') }];
}

function valueOf(mapping: Mapping, name: string): ParsedNode | null | undefined {
  return mapping.items.find(({ key }) => isScalar(key) && key.value === name)?.value;
}
