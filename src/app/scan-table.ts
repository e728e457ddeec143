import { abbreviateDigest, type Tag } from '../core/reference.ts';
import { parseReferrerTag } from '../core/referrer-tag.ts';
import type { ScanFormat } from './scan-output.ts';
import type { MinimumReport, ReferrersReport, RepositoryReport, TagReport } from './scan-report.ts';
import { isProtected, type ScanTotals } from './scan-totals.ts';

/** More tags than these are counted, not named. */
const namedTags = 3;

type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow';
type Paint = (colour: Colour, text: string) => string;
const codes: Readonly<Record<Colour, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 };

/** A section for each repository, for people. */
export function tableFormat(hasColours: boolean): ScanFormat {
  const paint: Paint = (colour, text) => (hasColours ? `\x1b[${codes[colour]}m${text}\x1b[0m` : text);
  let isOff = false;
  return {
    begin: ({ isImmutabilityOn }) => {
      isOff = !isImmutabilityOn;
      return '';
    },
    repository: (report) => `${section(report, paint).join('\n')}\n\n`,
    end: (totals, isInterrupted) => {
      const lines = totalsOf(totals);
      if (isOff) lines.push(paint('red', 'immutable rules do not count: immutability.enabled is false'));
      if (isInterrupted) lines.push(paint('red', 'interrupted: not all repositories were scanned'));
      return `${lines.join('\n')}\n`;
    },
  };
}

function section({ repository, error, tags, unprotected }: RepositoryReport, paint: Paint): string[] {
  const lines = [paint('bold', repository)];
  if (error !== null) lines.push(`  ${paint('red', `cannot be read: ${error}`)}`);
  if (error === null && tags.length === 0) lines.push(paint('dim', '  has no tags'));
  const rows = tags.map((tag) => [
    shortTag(tag.tag),
    tag.digest === null ? '-' : abbreviateDigest(tag.digest),
    protectionText(tag),
  ]);
  const paints = tags.map((tag) => (text: string) => paint(colourOf(tag), text));
  lines.push(...aligned(['TAG', 'DIGEST', 'PROTECTION'], rows, paint, paints));
  if (!unprotected) return lines;
  const kinds = [
    ['manifest', unprotected.manifests],
    ['blob', unprotected.blobs],
  ] as const;
  const loose = kinds.flatMap(([kind, found]) =>
    found.map(({ digest, bytes }) => [kind, abbreviateDigest(digest), bytes === null ? '?' : `${bytes}`]),
  );
  if (loose.length > 0) lines.push('', ...aligned(['UNPROTECTED', 'DIGEST', 'BYTES'], loose, paint));
  return lines;
}

/** Rows under their headings, of which the last column is as long as it likes. */
function aligned(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  paint: Paint,
  lasts: readonly ((text: string) => string)[] = [],
): string[] {
  if (rows.length === 0) return [];
  const widths = headings.map((heading, column) =>
    rows.reduce((widest, row) => Math.max(widest, row[column]?.length ?? 0), heading.length),
  );
  const line = (cells: readonly string[], last: (text: string) => string): string => {
    const padded = cells.slice(0, -1).map((cell, column) => cell.padEnd(widths[column] ?? 0));
    return `  ${[...padded, last(cells.at(-1) ?? '')].join('  ')}`;
  };
  const head = paint(
    'dim',
    line(headings, (text) => text),
  );
  return [head, ...rows.map((row, index) => line(row, lasts[index] ?? ((text) => text)))];
}

function colourOf(tag: TagReport): Colour {
  if (tag.immutable.length > 0) return 'green';
  return isProtected(tag) ? 'yellow' : 'dim';
}

/** `sha256-<hex>.sig` with twelve of its digits, as digests have. */
function shortTag(tag: Tag): string {
  return parseReferrerTag(tag) ? tag.replace(/^(sha\d+-[0-9a-f]{12})[0-9a-f]*/, '$1…') : tag;
}

function protectionText({ immutable, push, delete: remove, referrers }: TagReport): string {
  const texts = [
    ...(immutable.length > 0 ? [`immutable (${immutable.join(', ')})`] : []),
    ...(push ? [`push ≥ ${minimumText(push)}`] : []),
    ...(remove ? [`delete ≥ ${minimumText(remove)}`] : []),
    // What is immutable by its own name was said.
    ...(referrers && immutable.length === 0 ? [referrersText(referrers)] : []),
  ];
  return texts.length === 0 ? '-' : texts.join(', ');
}

function minimumText({ minimum, rules }: MinimumReport): string {
  return `${minimum} (${rules.join(', ')})`;
}

function referrersText({ named, treatment, rules, tags }: ReferrersReport): string {
  const about = `refers to ${abbreviateDigest(named)}`;
  if (treatment === 'mutable') return about;
  if (treatment === 'unknown') return `${about}, of which not all is known`;
  const others = tags.length > namedTags ? ` and ${tags.length - namedTags} more` : '';
  const sake = tags.length === 0 ? '' : ` for ${tags.slice(0, namedTags).map(shortTag).join(', ')}${others}`;
  return `${treatment === 'append_only' ? 'append-only' : 'immutable'}${sake} (${rules.join(', ')})`;
}

function totalsOf({ repositories, unread, tags, unprotected, ...totals }: ScanTotals): string[] {
  const { manifests, blobs } = unprotected;
  const counts = [counted(repositories, 'repository', 'repositories'), counted(tags, 'tag')];
  const failed = unread === 0 ? [] : [`${unread} could not be read`];
  return [
    [...counts, ...failed].join(', '),
    `${totals.protected} protected, of these ${totals.immutable} immutable`,
    `unprotected: ${counted(manifests.count, 'manifest')} (${manifests.bytes} bytes), ${counted(blobs.count, 'blob')} (${blobs.bytes} bytes)`,
  ];
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
