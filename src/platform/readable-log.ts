import { type Colour, oneLine, paint } from './terminal-text.ts';

const LEVELS: Readonly<Record<number, readonly [string, Colour?]>> = {
  10: ['trace', 'grey'],
  20: ['debug', 'grey'],
  30: ['info ', 'green'],
  40: ['WARN ', 'yellow'],
  50: ['ERROR', 'red'],
  60: ['FATAL', 'red'],
};
const ERROR = 50;
/** Part of every line, and of no interest to who reads along. */
const LEFT_OUT = ['level', 'time', 'pid', 'msg', 'err'];

type LoggedError = { readonly message?: string; readonly stack?: string; readonly code?: unknown };
type Line = { readonly level: number; readonly time: number; readonly msg?: string; readonly err?: LoggedError };

/** A failure of the world has a code and explains itself; what has none is a bug, and its report needs the stack. */
const stackOf = ({ level, err }: Line): string =>
  level >= ERROR && err?.stack !== undefined && err.code === undefined ? `\n${err.stack}` : '';

const shown = (value: unknown): string => oneLine(typeof value === 'string' ? value : JSON.stringify(value));

/** One line of pino's JSON as people read it: local time, level, message, the reason of an error, and the rest as `name=value`. */
export const readableLine = (json: string, colour: boolean): string => {
  const line = JSON.parse(json) as Line;
  const [level, tone] = LEVELS[line.level] ?? [String(line.level)];
  const time = paint(new Date(line.time).toTimeString().slice(0, 8), 'grey', colour);
  const reason = line.err === undefined ? '' : `: ${oneLine(line.err.message ?? '')}`;
  const rest = Object.entries(line)
    .filter(([name]) => !LEFT_OUT.includes(name))
    .map(([name, value]) => `  ${paint(`${name}=`, 'grey', colour)}${shown(value)}`);
  return `${time} ${paint(level, tone, colour)} ${oneLine(line.msg ?? '')}${reason}${rest.join('')}${stackOf(line)}\n`;
};
