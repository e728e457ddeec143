import { commandLines, commandNames, shells, type CommandLine, type Flag } from '../config/command-line.ts';
import { fail, usageError, type CommandSurroundings } from './explain.ts';

/** Prints what a shell loads to complete commands and flags: `source <(tagwarden completion bash)`. */
export function runCompletion(around: CommandSurroundings): number {
  const [name, ...rest] = around.argv;
  const shell = shells.find((known) => known === name);
  if (!shell || rest.length > 0)
    return fail(around, [`completion needs one of ${shells.join(', ')}`], usageError);
  around.out.write({ bash, zsh, fish }[shell]());
  return 0;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function bash(): string {
  return `# tagwarden completion bash
_tagwarden() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}" command="\${COMP_WORDS[1]}"
${answers('COMP_CWORD == 1', '${COMP_WORDS[2]}', 'COMPREPLY=($(compgen -W "$choices" -- "$current"))', 'COMPREPLY=($(compgen -f -- "$current"))')}
}
complete -o filenames -o bashdefault -F _tagwarden tagwarden
`;
}

function zsh(): string {
  return `#compdef tagwarden
_tagwarden() {
  local current="\${words[CURRENT]}" previous="\${words[CURRENT - 1]}" command="\${words[2]}" second="\${words[3]}"
${answers('CURRENT == 2', '$second', 'compadd -- ${=choices}', '_files')}
}
compdef _tagwarden tagwarden
`;
}

/** The part that bash and zsh have in common. */
function answers(isFirst: string, second: string, tell: string, tellFiles: string): string {
  const lines = [
    '  local choices=""',
    `  if ((${isFirst})); then`,
    `    choices=${quoted(commandNames.join(' '))}`,
    `    ${tell}`,
    '    return',
    '  fi',
    `  if [[ "$command" == rules ]]; then command="rules ${second}"; fi`,
    '  case "$command $previous" in',
    ...commandLines.flatMap((command) =>
      command.flags.flatMap((flag) => valueCase(command, flag, tell, tellFiles)),
    ),
    '  esac',
    '  case "$command" in',
    ...commandLines
      .filter(({ name }) => name !== 'rules')
      .map((command) => `    ${quoted(command.name)}) choices=${quoted(wordsOf(command).join(' '))} ;;`),
    `    'rules '*) choices=${quoted(commandLines.find(({ name }) => name === 'rules')?.words.join(' ') ?? '')} ;;`,
    '  esac',
    `  ${tell}`,
  ];
  return lines.join('\n');
}

function wordsOf({ words, flags }: CommandLine): readonly string[] {
  return [...words, ...flags.map((flag) => flag.name)];
}

function valueCase({ name }: CommandLine, flag: Flag, tell: string, tellFiles: string): readonly string[] {
  const pattern = `    ${quoted(`${name} ${flag.name}`)})`;
  if (flag.value === undefined) return [];
  if (flag.value === 'file') return [`${pattern} ${tellFiles}; return ;;`];
  if (flag.value === 'any') return [`${pattern} return ;;`];
  return [`${pattern} choices=${quoted(flag.value.join(' '))}; ${tell}; return ;;`];
}

function fish(): string {
  const top = `complete -c tagwarden -f -n __fish_use_subcommand -a ${quoted(commandNames.join(' '))}`;
  return `# tagwarden completion fish
${[top, ...commandLines.flatMap(fishLines)].join('\n')}
`;
}

function fishLines({ name, words, flags }: CommandLine): readonly string[] {
  const [command = '', sub] = name.split(' ');
  const seen = `__fish_seen_subcommand_from ${command}`;
  const when = sub === undefined ? seen : `${seen}; and __fish_seen_subcommand_from ${sub}`;
  const start = `complete -c tagwarden -n ${quoted(when)}`;
  return [
    ...(words.length > 0 ? [`${start} -f -a ${quoted(words.join(' '))}`] : []),
    ...flags.map((flag) => `${start} -l ${flag.name.slice(2)} ${fishValue(flag)}-d ${quoted(flag.about)}`),
  ];
}

function fishValue({ value }: Flag): string {
  if (value === undefined) return '-f ';
  if (value === 'file') return '-r -F ';
  return value === 'any' ? '-x ' : `-x -a ${quoted(value.join(' '))} `;
}
