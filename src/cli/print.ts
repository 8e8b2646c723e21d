import type { Terminal } from './terminal.ts';

/** One JSON value on one line, or text for people. */
export const print = (terminal: Terminal, json: boolean | undefined, value: unknown, text: () => string): void =>
  terminal.out(json === true ? `${JSON.stringify(value)}\n` : text());
