import { Command, type CommanderError } from 'commander';
import { EXIT, Failure, usageFailure } from './failure.ts';
import type { Terminal } from './terminal.ts';

/** What a command group adds to the program. */
export type AddCommands = (program: Command, terminal: Terminal) => void;

const LONGEST_MESSAGE = 400;

const shorten = (message: string): string =>
  message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE)}…` : message;

const usageOf = (command: Command): string => `usage: ${command.createHelp().commandUsage(command)}\n(see --help)`;

/** Giving an option twice is a mistake, unless it collects its values. */
const refuseRepeats = (command: Command): void => {
  for (const option of command.options.filter(({ description }) => !description.includes('(repeatable)'))) {
    let count = 0;
    command.on(`option:${option.name()}`, () => {
      count += 1;
      if (count > 1) throw usageFailure(`option '${option.flags}' is given twice`, usageOf(command));
    });
  }
};

const onExit =
  (command: Command) =>
  (error: CommanderError): never => {
    if (error.exitCode === 0) throw error; // help or version was printed
    if (error.code === 'commander.help') throw new Failure(EXIT.usage, '', { code: 'USAGE', cause: error });
    throw usageFailure(shorten(error.message.replace(/^error: /, '').replace(/\n/g, ' ')), usageOf(command));
  };

const strict = (command: Command, terminal: Terminal): void => {
  refuseRepeats(command);
  command
    .helpCommand(false)
    .exitOverride(onExit(command))
    .configureOutput({
      writeOut: terminal.out,
      writeErr: terminal.err,
      outputError: () => {}, // main prints every failure the same way
      getOutHasColors: () => terminal.colour,
      getErrHasColors: () => false,
    });
  for (const child of command.commands) strict(child, terminal);
};

/** The `baton` program. Parsing throws `Failure` for wrong usage, `CommanderError` with exit code 0 once help was printed. */
export const createProgram = (version: string, groups: readonly AddCommands[], terminal: Terminal): Command => {
  // Positional: `--version` behind a command is that command's.
  const program = new Command('baton')
    .description('Event-sourced orchestrator for fleets of agents.')
    .version(version)
    .enablePositionalOptions();
  for (const add of groups) add(program, terminal);
  strict(program, terminal);
  return program;
};

/** Text below a command's help. */
export const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}\n`;
