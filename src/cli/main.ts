#!/usr/bin/env node
import { EXIT } from './failure.ts';
import { run } from './run.ts';
import { systemTerminal } from './terminal.ts';

/** The reader of the output has gone (`baton … | head`). */
const onPipeError = (error: NodeJS.ErrnoException): void => {
  if (error.code === 'EPIPE') process.exit(EXIT.brokenPipe);
  throw error;
};
process.stdout.on('error', onPipeError);
process.stderr.on('error', onPipeError);

/** For commands without anything to clean up; the others listen themselves, see `StopRequest`. */
const endUnlessHandled = (signal: 'SIGINT' | 'SIGTERM', exitCode: number): void => {
  process.on(signal, () => {
    if (process.listenerCount(signal) === 1) process.exit(exitCode);
  });
};
endUnlessHandled('SIGINT', EXIT.interrupted);
endUnlessHandled('SIGTERM', EXIT.terminated);

const exitCode = await run(systemTerminal(), process.argv.slice(2));
// Output must be flushed before the process ends.
await new Promise((resolve) => process.stdout.write('', resolve));
process.exit(exitCode);
