import type { Command, Option } from 'commander';

/** A command by the words that lead to it, and what may follow them. */
export type Place = {
  /** Such as ` tasks submit`; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly string[];
  readonly options: readonly Option[];
};

/** The commands of a program, as deep as they go. */
export const placesOf = (command: Command, path = ''): Place[] => [
  {
    path,
    commands: command.commands.flatMap((child) => [child.name(), ...child.aliases()]),
    options: [...command.createHelp().visibleOptions(command)],
  },
  ...command.commands.flatMap((child) =>
    [child.name(), ...child.aliases()].flatMap((name) => placesOf(child, `${path} ${name}`)),
  ),
];

const flagsOf = ({ long, short }: Option): string[] => [long, short].filter((flag) => flag !== undefined);
const takesValue = ({ required, optional }: Option): boolean => required || optional;

/** All words of these scripts are our own names, or values of a fixed set: letters, digits, `-`, `_` and `.`. */
const quoted = (text: string): string => `'${text}'`;

const cases = (entries: readonly (readonly [string, readonly string[]])[]): string =>
  entries.map(([pattern, words]) => `    ${quoted(pattern)}) list=${quoted(words.join(' '))} ;;`).join('\n');

/** The same in bash and zsh: finds the command, then what may follow it, into `list`. `-` stands for a value that is not known. */
const search = (places: readonly Place[], wordsBefore: string): string => `  local at='' word before='' list=''
  for word in ${wordsBefore}; do
    before="$word"
    case "$at $word" in
      ${places
        .slice(1)
        .map(({ path }) => quoted(path))
        .join('|')}) at="$at $word" ;;
    esac
  done
  case "$at" in
${cases(places.map(({ path, commands, options }) => [path, [...commands, ...options.flatMap((option) => option.long ?? [])]]))}
  esac
  case "$at $before" in
${cases(
  places.flatMap(({ path, options }) =>
    options
      .filter(takesValue)
      .flatMap((option) => flagsOf(option).map((flag) => [`${path} ${flag}`, [...(option.argChoices ?? [])]] as const)),
  ),
)}
  esac`;

const bash = (places: readonly Place[]): string => `# source <(baton completion bash)
_baton() {
${search(places, `"\${COMP_WORDS[@]:1:COMP_CWORD-1}"`)}
  COMPREPLY=($(compgen -W "$list" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _baton baton
`;

const zsh = (places: readonly Place[]): string => `#compdef baton
# source <(baton completion zsh)
_baton() {
${search(places, `"\${(@)words[2,CURRENT-1]}"`)}
  if [[ -n "$list" ]]; then compadd -- \${=list}; else _files; fi
}
compdef _baton baton
`;

const fishText = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

const fishOption = (at: string, option: Option): string => {
  const long = option.long === undefined ? '' : ` -l ${option.long.slice(2)}`;
  const short = option.short === undefined ? '' : ` -s ${option.short.slice(1)}`;
  const values = option.argChoices === undefined ? '' : ` -x -a ${quoted(option.argChoices.join(' '))}`;
  const value = takesValue(option) && values === '' ? ' -r' : values;
  return `complete -c baton -n ${at}${long}${short}${value} -d ${fishText(option.description)}`;
};

const fish = (places: readonly Place[]): string => `# baton completion fish | source
function __baton_at
  set -l at ''
  set -l before (commandline -opc)
  for word in $before[2..-1]
    switch "$at $word"
      case ${places
        .slice(1)
        .map(({ path }) => quoted(path))
        .join(' ')}
        set at "$at $word"
    end
  end
  test "$at" = "$argv[1]"
end
${places
  .flatMap(({ path, commands, options }) => {
    const at = `"__baton_at ${quoted(path)}"`;
    const words = commands.length === 0 ? [] : [`complete -c baton -f -n ${at} -a ${quoted(commands.join(' '))}`];
    return [...words, ...options.map((option) => fishOption(at, option))];
  })
  .join('\n')}
`;

/** The scripts that make a shell complete command lines. They hold all words, so that completing starts no process. */
export const COMPLETIONS = { bash, zsh, fish } as const satisfies Record<string, (places: readonly Place[]) => string>;
export type Shell = keyof typeof COMPLETIONS;
export const SHELLS = Object.keys(COMPLETIONS) as readonly Shell[];
