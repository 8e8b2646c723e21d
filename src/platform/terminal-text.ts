import type { WriteStream } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';

const ESCAPE = '\u001b[';
const COLOURS = { red: 31, green: 32, yellow: 33, grey: 90 } as const;
export type Colour = keyof typeof COLOURS;

export const paint = (text: string, colour: Colour | undefined, enabled: boolean): string =>
  enabled && colour !== undefined ? `${ESCAPE}${COLOURS[colour]}m${text}${ESCAPE}0m` : text;

/**
 * Text of a third party as one line that cannot control a terminal: escape sequences are removed, other control and
 * direction characters shown as �.
 */
export const oneLine = (text: string, max = Number.POSITIVE_INFINITY): string => {
  const line = stripVTControlCharacters(text)
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, '\ufffd');
  const characters = [...line];
  return characters.length > max ? `${characters.slice(0, max - 1).join('')}…` : line;
};

type Environment = Readonly<Record<string, string | undefined>>;

export const isInteractive = (stream: NodeJS.WriteStream, env: Environment): boolean =>
  (stream as WriteStream).isTTY === true && env['TERM'] !== 'dumb';

/** `NO_COLOR` counts when it is set and not empty (no-color.org). */
export const takesColour = (stream: NodeJS.WriteStream, env: Environment): boolean =>
  isInteractive(stream, env) && (env['NO_COLOR'] ?? '') === '';
