import { pino } from 'pino';

export type Logger = pino.Logger;

/** JSON lines on stderr: stdout is for the output of commands. */
export const createLogger = (level: string, bindings: Record<string, unknown> = {}): Logger =>
  pino(
    {
      level,
      base: { pid: process.pid, ...bindings },
      redact: ['password', '*.password', 'authorization', '*.authorization', 'token', '*.token'],
    },
    pino.destination({ dest: 2, sync: false }),
  );
