import { isInteractive, takesColour } from '../platform/terminal-text.ts';

/** Where a command reads and writes; a value, so that commands can be run in a test. */
export type Terminal = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadableStream;
  /** Results. */
  out(text: string): void;
  /** Progress, warnings and errors, so that stdout holds results only. */
  err(text: string): void;
  /** stderr, when it is a terminal that progress can be drawn on. */
  readonly progress: NodeJS.WriteStream | undefined;
  /** Whether stdout takes colour. */
  readonly colour: boolean;
};

export const systemTerminal = (): Terminal => ({
  env: process.env,
  stdin: process.stdin,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  progress: isInteractive(process.stderr, process.env) ? process.stderr : undefined,
  colour: takesColour(process.stdout, process.env),
});
