import { pino } from 'pino';
import type { Config } from './config.ts';
import { readableLine } from './readable-log.ts';
import { isInteractive, takesColour } from './terminal-text.ts';

export type Logger = pino.Logger;

const destinationOf = (format: Config['logFormat']): pino.DestinationStream => {
  const { stderr, env } = process;
  const readable = format === 'text' || (format === 'auto' && isInteractive(stderr, env));
  if (!readable) return pino.destination({ dest: 2, sync: false });
  return { write: (line) => void stderr.write(readableLine(line, takesColour(stderr, env))) };
};

/** Logs go to stderr, because stdout is for the output of commands: text on a terminal, JSON lines elsewhere. */
export const createLogger = (level: string, format: Config['logFormat'] = 'auto'): Logger =>
  pino(
    {
      level,
      base: { pid: process.pid },
      redact: ['password', '*.password', 'authorization', '*.authorization', 'token', '*.token'],
    },
    destinationOf(format),
  );
