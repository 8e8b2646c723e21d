#!/usr/bin/env node
import { EXIT } from './failure.ts';
import { run } from './run.ts';
import { systemTerminal } from './terminal.ts';

/** Whoever read our output has gone (`baton … | head`): there is nobody left to tell. */
const onPipeError = (error: NodeJS.ErrnoException): void => {
  if (error.code === 'EPIPE') process.exit(EXIT.brokenPipe);
  throw error;
};
process.stdout.on('error', onPipeError);
process.stderr.on('error', onPipeError);

/** For commands that have nothing to put away; those that do listen themselves, see `StopRequest`. */
const endUnlessHandled = (signal: 'SIGINT' | 'SIGTERM', exitCode: number): void => {
  process.on(signal, () => {
    if (process.listenerCount(signal) === 1) process.exit(exitCode);
  });
};
endUnlessHandled('SIGINT', EXIT.interrupted);
endUnlessHandled('SIGTERM', EXIT.terminated);

const exitCode = await run(systemTerminal(), process.argv.slice(2));
// What was written must be on its way before the process ends.
await new Promise((resolve) => process.stdout.write('', resolve));
process.exit(exitCode);
