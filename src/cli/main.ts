#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { ConfigError } from '../platform/config.ts';
import { AppError } from '../platform/errors.ts';
import { addAgents } from './commands/agents.ts';
import { addAudit } from './commands/audit.ts';
import { addDeadLetters } from './commands/dead-letters.ts';
import { addDemo } from './commands/demo.ts';
import { addDoctor } from './commands/doctor.ts';
import { addProjections } from './commands/projections.ts';
import { addServe } from './commands/serve.ts';
import { addTasks } from './commands/tasks.ts';
import { EXIT, Failure } from './failure.ts';
import { createProgram } from './program.ts';
import { systemTerminal, type Terminal } from './terminal.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const asFailure = (error: unknown): Failure | undefined => {
  if (error instanceof Failure) return error;
  if (error instanceof ConfigError) return new Failure(EXIT.usage, error.message, { code: 'BAD_CONFIGURATION' });
  if (error instanceof AppError) {
    const exitCode = error.code === 'UNAVAILABLE' ? EXIT.unreachable : EXIT.failed;
    return new Failure(exitCode, error.message, { code: error.code, issues: error.issues });
  }
  return undefined;
};

const tell = (terminal: Terminal, failure: Failure, json: boolean): void => {
  const { code, message, issues, advice } = failure;
  if (json) terminal.out(`${JSON.stringify({ error: { code, message, ...(issues.length > 0 ? { issues } : {}) } })}\n`);
  if (message !== '') terminal.err(`error: ${message}\n`);
  if (advice !== undefined && advice !== '') terminal.err(`${advice}\n`);
};

const run = async (terminal: Terminal, args: readonly string[]): Promise<number> => {
  const groups = [addServe, addDemo, addDoctor, addAgents, addTasks, addDeadLetters, addProjections, addAudit];
  try {
    await createProgram(version, groups, terminal).parseAsync(args, { from: 'user' });
    return Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    const failure = asFailure(error);
    if (failure === undefined) {
      // A bug of ours: the stack is what a report needs.
      terminal.err(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      return EXIT.failed;
    }
    tell(terminal, failure, args.includes('--json'));
    return failure.exitCode;
  }
};

/** Whoever read our output has gone (`baton … | head`): there is nobody left to tell. */
const onPipeError = (error: NodeJS.ErrnoException): void => {
  if (error.code === 'EPIPE') process.exit(EXIT.brokenPipe);
  throw error;
};
process.stdout.on('error', onPipeError);
process.stderr.on('error', onPipeError);
process.on('SIGINT', () => {
  if (process.listenerCount('SIGINT') === 1) process.exit(EXIT.interrupted);
});
process.on('SIGTERM', () => {
  if (process.listenerCount('SIGTERM') === 1) process.exit(EXIT.terminated);
});

const code = await run(systemTerminal(), process.argv.slice(2));
// What was written must be on its way before the process ends.
await new Promise((resolve) => process.stdout.write('', resolve));
process.exit(code);
