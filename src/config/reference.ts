import { flagOf, keyPaths, keys, variableOf, type KeyPath } from './schema.ts';

/** The flags of `tagwarden serve`, for `--help`. */
export function flagHelp(): string {
  const lines = keyPaths.flatMap((path) => [
    `  ${flagOf(path)} ${keys[path].kind.placeholder}`,
    ...wrap(`${keys[path].about} ${defaultOf(path)}`, 92).map((line) => `      ${line}`),
  ]);
  return [
    '  --config FILE',
    '      The config file; config/reference.yaml has every key. (TAGWARDEN_CONFIG)',
    ...lines,
    '',
    'A flag beats its environment variable, that beats the config file, that beats the default.',
    '',
  ].join('\n');
}

function defaultOf(path: KeyPath): string {
  const { defaultText, isRequired } = keys[path];
  const value = defaultText ? `default ${defaultText}` : isRequired ? 'required' : '';
  return `(${[value, variableOf(path)].filter((part) => part !== '').join('; ')})`;
}

/** `config/reference.yaml`: every key with its default and its reason, as a file that can be used. */
export function referenceYaml(): string {
  const lines = [
    '# Every key of the configuration, its default and its reason. Keys without a default are commented out.',
    '# A flag beats its environment variable, that beats this file, that beats the default.',
    '# Paths are relative to this file.',
  ];
  let section: readonly string[] = [];
  for (const path of keyPaths) {
    const parents = path.split('.').slice(0, -1);
    if (parents.length === 0) lines.push('');
    lines.push(...headings(parents, section), ...explanation(path), setting(path));
    section = parents;
  }
  return `${lines.join('\n')}\n`;
}

/** The sections that begin at a key, as `upstream:`. */
function headings(parents: readonly string[], previous: readonly string[]): string[] {
  return parents.flatMap((name, depth) => {
    if (previous[depth] === name) return [];
    return [...(depth === 0 ? [''] : []), `${lead(parents.slice(0, depth + 1), depth)}${name}:`];
  });
}

function explanation(path: KeyPath): string[] {
  const parents = path.split('.').slice(0, -1);
  return [...wrap(keys[path].about, 100), `${flagOf(path)}, ${variableOf(path)}`].map(
    (line) => `${lead(parents, parents.length)}# ${line}`,
  );
}

function setting(path: KeyPath): string {
  const { kind, defaultText, example } = keys[path];
  const parents = path.split('.').slice(0, -1);
  const text = defaultText ?? example;
  const value = text === undefined ? kind.placeholder : kind.toYaml(text);
  const comment = isWrittenOut(path) || !isUsed(parents) ? '' : '# ';
  return `${lead(parents, parents.length)}${comment}${path.split('.').at(-1) ?? ''}: ${value}`;
}

/** A section of which nothing is written out is commented out as a whole: drop its leading `# ` to use it. */
function lead(sections: readonly string[], depth: number): string {
  const unused = sections.findIndex((_, index) => !isUsed(sections.slice(0, index + 1)));
  return unused < 0 ? indent(depth) : `${indent(unused)}# ${indent(depth - unused)}`;
}

function isUsed(sections: readonly string[]): boolean {
  const prefix = sections.map((name) => `${name}.`).join('');
  return keyPaths.some((path) => path.startsWith(prefix) && isWrittenOut(path));
}

/** A path that is right by default, in the working directory, would not be where it is written into this file. */
function isWrittenOut(path: KeyPath): boolean {
  const { kind, defaultText, example } = keys[path];
  return example !== undefined || (defaultText !== undefined && kind.placeholder !== 'PATH');
}

function indent(depth: number): string {
  return '  '.repeat(depth);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.trim().split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
