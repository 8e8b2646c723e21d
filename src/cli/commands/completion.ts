import { Argument, type Command } from 'commander';
import { COMPLETIONS, placesOf, SHELLS, type Shell } from '../completion.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';

/** Comes after all other groups: its script knows those of the program. */
export const addCompletion = (program: Command, terminal: Terminal): void => {
  program
    .command('completion')
    .description('Print a script that makes a shell complete commands, options and their values.')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .addHelpText(
      'after',
      examples(
        'source <(baton completion bash)',
        'baton completion bash > ~/.local/share/bash-completion/completions/baton',
        'baton completion fish > ~/.config/fish/completions/baton.fish',
      ),
    )
    .action((shell: Shell) => terminal.out(COMPLETIONS[shell](placesOf(program))));
};
