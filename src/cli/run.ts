import { readFileSync } from 'node:fs';
import { BatonError } from 'baton-client';
import { CommanderError } from 'commander';
import { ConfigError } from '../platform/config.ts';
import { AppError } from '../platform/errors.ts';
import { failureOf } from './client-failure.ts';
import { addAgents } from './commands/agents.ts';
import { addAudit } from './commands/audit.ts';
import { addDeadLetters } from './commands/dead-letters.ts';
import { addDemo } from './commands/demo.ts';
import { addDoctor } from './commands/doctor.ts';
import { addEventStore } from './commands/eventstore.ts';
import { addEventStoreNode } from './commands/eventstore-node.ts';
import { addProjections } from './commands/projections.ts';
import { addServe } from './commands/serve.ts';
import { addTasks } from './commands/tasks.ts';
import { addWorkflows } from './commands/workflows.ts';
import { Ended, EXIT, Failure } from './failure.ts';
import { createProgram } from './program.ts';
import type { Terminal } from './terminal.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const GROUPS = [
  addServe,
  addDemo,
  addDoctor,
  addAgents,
  addTasks,
  addWorkflows,
  addDeadLetters,
  addProjections,
  addAudit,
  addEventStoreNode,
  addEventStore,
];

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

/** Runs one command line and returns the exit code. */
export const run = async (terminal: Terminal, args: readonly string[]): Promise<number> => {
  try {
    await createProgram(version, GROUPS, terminal).parseAsync(args, { from: 'user' });
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
