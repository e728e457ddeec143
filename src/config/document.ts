import { parseDocument, visit, type Document } from 'yaml';
import { Complaints } from './complaints.ts';
import { Entry } from './entry.ts';

export type Outcome<Value> = { readonly value: Value } | { readonly errors: readonly string[] };

/**
 * Reads a YAML document strictly: what the reader does not ask for is an error, and so is all of YAML that lets a
 * text mean more than it shows (aliases, merge keys, own tags, directives, several documents). All errors are
 * found in one go, each as `line:column place: what is wrong and its mend`.
 */
export function readDocument<Value>(text: string, read: (root: Entry) => Value | undefined): Outcome<Value> {
  const complaints = new Complaints();
  const document = parseDocument(text, {
    lineCounter: complaints.lines,
    // `silent` would also silence the error about a second document.
    logLevel: 'error',
    prettyErrors: false,
    resolveKnownTags: false,
    stringKeys: true,
    // Entry.fields looks for repeated keys, and can name their place.
    uniqueKeys: false,
  });
  complainOfSyntax(document, complaints);
  complainOfHiddenMeaning(document, text, complaints);
  const root = new Entry(document.contents, complaints);
  if (root.isEmpty) root.complain('the document is empty');
  const value = root.isEmpty ? undefined : read(root);
  const errors = complaints.inOrder();
  return value !== undefined && errors.length === 0 ? { value } : { errors };
}

function complainOfSyntax(document: Document.Parsed, complaints: Complaints): void {
  for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
    switch (code) {
      case 'MULTIPLE_DOCS':
        complaints.add(pos[0], '', 'a second document starts here; keep one, and nothing after a line "..."');
        break;
      case 'TAG_RESOLVE_FAILED':
        complaints.add(pos[0], '', `${message}; remove it, or put the value in quotes`);
        break;
      default:
        complaints.add(pos[0], '', `broken YAML: ${message}`);
    }
  }
}

// YAML's printable characters: a crash can leave a run of NUL in a file, which the parser takes for text.
const unprintable = /[^\t\n\r\x20-\x7e\x85\xa0-\u{10ffff}]/u;

function complainOfHiddenMeaning(document: Document.Parsed, text: string, complaints: Complaints): void {
  const hidden = unprintable.exec(text);
  if (hidden)
    complaints.add(hidden.index, '', `unprintable character ${JSON.stringify(hidden[0])}; remove it`);
  if (document.directives.yaml.explicit) complaints.add(0, '', 'a directive is not accepted; remove %YAML');
  visit(document, {
    Alias: (_key, { range, source }) => {
      complaints.add(
        range?.[0] ?? 0,
        '',
        `an alias is not accepted; repeat the value, or quote "*${source}"`,
      );
    },
    Value: (_key, { range, anchor }) => {
      if (anchor === undefined) return;
      complaints.add(range?.[0] ?? 0, '', `an anchor is not accepted; remove &${anchor}, or quote it`);
    },
  });
}
