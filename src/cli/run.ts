import { BatonError } from 'baton-client';
import { CommanderError } from 'commander';

import { AppError, ConfigError } from '../platform/errors.ts';
import { VERSION } from '../platform/version.ts';
import { failureOf } from './client-failure.ts';
import { Ended, EXIT, Failure } from './failure.ts';
import { type AddCommands, createProgram } from './program.ts';
import type { Terminal } from './terminal.ts';

/** The command groups, in the order of the help. A command line loads the one that it names: a start costs what is loaded. */
const GROUPS: Readonly<Record<string, () => Promise<AddCommands>>> = {
  serve: async () => (await import('./commands/serve.ts')).addServe,
  demo: async () => (await import('./commands/demo.ts')).addDemo,
  doctor: async () => (await import('./commands/doctor.ts')).addDoctor,
  agents: async () => (await import('./commands/agents.ts')).addAgents,
  tasks: async () => (await import('./commands/tasks.ts')).addTasks,
  workflows: async () => (await import('./commands/workflows.ts')).addWorkflows,
  rules: async () => (await import('./commands/rules.ts')).addRules,
  pools: async () => (await import('./commands/pools.ts')).addPools,
  dlq: async () => (await import('./commands/dead-letters.ts')).addDeadLetters,
  projections: async () => (await import('./commands/projections.ts')).addProjections,
  audit: async () => (await import('./commands/audit.ts')).addAudit,
  'eventstore-node': async () => (await import('./commands/eventstore-node.ts')).addEventStoreNode,
  eventstore: async () => (await import('./commands/eventstore.ts')).addEventStore,
};

const completion = async (): Promise<AddCommands> => (await import('./commands/completion.ts')).addCompletion;

const VERSION_FLAGS = ['-V', '--version'];

const groupsFor = ([first = '']: readonly string[]): Promise<AddCommands[]> => {
  if (VERSION_FLAGS.includes(first)) return Promise.resolve([]);
  const named = Object.hasOwn(GROUPS, first) ? GROUPS[first] : undefined;
  // Help, completion, and the suggestion for a word that is no command, need all of them.
  return Promise.all((named === undefined ? [...Object.values(GROUPS), completion] : [named]).map((load) => load()));
};

const asFailure = (error: unknown): Failure | undefined => {
  if (error instanceof Failure) return error;
  if (error instanceof BatonError) return failureOf(error);
  if (error instanceof ConfigError) return new Failure(EXIT.usage, error.message, { code: 'BAD_CONFIGURATION' });
  if (error instanceof AppError) {
    const { code, issues, message } = error;
    if (code !== 'UNAVAILABLE') return new Failure(EXIT.failed, message, { code, issues });
    return new Failure(EXIT.unreachable, message, { code, issues, advice: '`baton doctor` checks the stores' });
  }
  return undefined;
};

const report = (terminal: Terminal, failure: Failure, json: boolean): void => {
  const { code, message, issues, advice } = failure;
  if (json) terminal.out(`${JSON.stringify({ error: { code, message, ...(issues.length > 0 ? { issues } : {}) } })}\n`);
  if (message !== '') terminal.err(`error: ${message}\n`);
  if (advice !== undefined && advice !== '') terminal.err(`${advice}\n`);
};

/** Nothing is drawn for a program that reads the answer. */
const asAsked = (terminal: Terminal, args: readonly string[]): Terminal =>
  args.includes('--json') ? { ...terminal, progress: undefined } : terminal;

/** Runs one command line and returns the exit code. */
export const run = async (terminal: Terminal, args: readonly string[]): Promise<number> => {
  try {
    await createProgram(VERSION, await groupsFor(args), asAsked(terminal, args)).parseAsync(args, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof Ended) return error.exitCode;
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    const failure = asFailure(error);
    if (failure === undefined) {
      // A bug: a report needs the stack.
      terminal.err(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      return EXIT.failed;
    }
    report(terminal, failure, args.includes('--json'));
    return failure.exitCode;
  }
};
