import type { Terminal } from './terminal.ts';

/** Prints one JSON value on one line, or text. */
export const print = (terminal: Terminal, json: boolean | undefined, value: unknown, text: () => string): void =>
  terminal.out(json === true ? `${JSON.stringify(value)}\n` : text());
