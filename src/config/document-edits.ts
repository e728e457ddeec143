import {
  isMap,
  isPair,
  isSeq,
  type CST,
  type Document,
  type Pair,
  type ParsedNode,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';

/** A part of a text, and what takes its place. */
export interface Edit {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

export type Mapping = YAMLMap.Parsed;
export type List = YAMLSeq.Parsed;

/** What a list or a mapping gains and loses. Of block style each addition is whole lines, of flow style an item. */
export interface Change {
  readonly isRemoved: (index: number) => boolean;
  readonly added: readonly string[];
}

/** Of edits at the same place the first comes first. INVARIANT: they do not overlap. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  let edited = '';
  let at = 0;
  for (const { from, to, text: replacement } of [...edits].sort((one, other) => one.from - other.from)) {
    edited += text.slice(at, from) + replacement;
    at = to;
  }
  return edited + text.slice(at);
}

/** Where an item or an entry begins and ends: all but its comments. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Changes a list or a mapping where it stands: nothing else in the text is touched, whatever it looks like. A comment
 * right above what is removed goes with it.
 */
export function editCollection(text: string, collection: Mapping | List, change: Change): Edit[] {
  const spans = isSeq(collection) ? itemSpans(collection) : collection.items.map(pairSpan);
  return collection.flow === true ? editFlow(collection, spans, change) : editBlock(text, spans, change);
}

/** The column of its entries, as so many blanks. */
export function indentOf(text: string, collection: Mapping | List): string {
  const [first] = isSeq(collection) ? itemSpans(collection) : collection.items.map(pairSpan);
  return first ? ' '.repeat(first.start - lineStart(text, first.start)) : '';
}

/** A block list of no items: its brackets go, and lines come. */
export function fillList(text: string, list: List, lines: readonly string[]): Edit[] {
  const [from, to] = list.range;
  const before = text.slice(0, from).trimEnd().length;
  const at = lineEnd(text, to);
  return [
    { from: before, to, text: '' },
    { from: at, to: at, text: lines.join('') },
  ];
}

/** Leaves a key whose block list has lost its last item. */
export function emptyList(pair: Pair<ParsedNode, ParsedNode | null>): Edit[] {
  const colon = pair.srcToken?.sep?.find(({ type }) => type === 'map-value-ind');
  return colon ? [{ from: colon.offset + 1, to: colon.offset + 1, text: ' []' }] : [];
}

export function replaceScalar(text: string, value: ParsedNode, scalar: string): Edit {
  const [from, to] = value.range;
  return { from, to: text[to - 1] === '\n' ? to - 1 : to, text: scalar };
}

/** Where the lines of a document's last entry end. */
export function endOfLines(text: string, root: Mapping): number {
  return lineEnd(text, endOf(root));
}

export function rootOf(document: Document.Parsed): Mapping | undefined {
  return isMap(document.contents) ? document.contents : undefined;
}

function editBlock(text: string, spans: readonly Span[], { isRemoved, added }: Change): Edit[] {
  const removals = spans.flatMap((span, index) => {
    if (!isRemoved(index)) return [];
    const start = lineStart(text, span.start);
    const isAlone = text.slice(start, span.start).trim() === '';
    const next = spans[index + 1];
    // The first entry of a list's item stands behind the dash: what follows takes its place.
    if (!isAlone && next) return [{ from: span.start, to: next.start, text: '' }];
    return [{ from: commentsAbove(text, start, span.start - start), to: lineEnd(text, span.end), text: '' }];
  });
  const at = lineEnd(text, spans.at(-1)?.end ?? 0);
  return [...removals, ...(added.length > 0 ? [{ from: at, to: at, text: added.join('') }] : [])];
}

function editFlow(collection: Mapping | List, spans: readonly Span[], { isRemoved, added }: Change): Edit[] {
  const lastKept = spans.findLastIndex((_, index) => !isRemoved(index));
  const removals = spans.slice(0, Math.max(lastKept, 0)).flatMap(({ start }, index) => {
    return isRemoved(index) ? [{ from: start, to: spans[index + 1]?.start ?? start, text: '' }] : [];
  });
  const inside = collection.range[1] - 1;
  const from = spans[lastKept]?.end ?? spans[0]?.start ?? inside;
  const to = spans.at(-1)?.end ?? inside;
  const separator = lastKept >= 0 && added.length > 0 ? ', ' : '';
  return [...removals, { from, to, text: separator + added.join(', ') }];
}

function itemSpans(list: List): Span[] {
  const dashes = (list.srcToken as CST.BlockSequence | undefined)?.items
    .flatMap(({ start }) => start)
    .filter(({ type }) => type === 'seq-item-ind');
  return list.items.map((item, index) => ({
    start: (list.flow === true ? undefined : dashes?.[index]?.offset) ?? item.range[0],
    end: endOf(item),
  }));
}

function pairSpan({ key, value }: Pair<ParsedNode, ParsedNode | null>): Span {
  return { start: key.range[0], end: endOf(value ?? key) };
}

/** Of a collection in block style, where its last value ends: its own range goes on over what follows. */
function endOf(node: ParsedNode): number {
  if ((isMap(node) || isSeq(node)) && node.flow !== true) {
    const last = node.items.at(-1);
    if (isPair(last)) return pairSpan(last).end;
    if (last) return endOf(last);
  }
  return node.range[1];
}

function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1;
}

/** The start of the next line. */
function lineEnd(text: string, offset: number): number {
  if (text[offset - 1] === '\n') return offset;
  const lineBreak = text.indexOf('\n', offset);
  return lineBreak < 0 ? text.length : lineBreak + 1;
}

/** The start of the comments that stand right above a line, at the same column. */
function commentsAbove(text: string, line: number, column: number): number {
  const above = lineStart(text, line - 1);
  const isComment = line > 0 && text.slice(above, line).startsWith(`${' '.repeat(column)}#`);
  return isComment ? commentsAbove(text, above, column) : line;
}
