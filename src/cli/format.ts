import { stripVTControlCharacters } from 'node:util';

export type Column = { readonly title: string; readonly align?: 'left' | 'right'; readonly max?: number };

const ESCAPE = '\u001b[';
const COLOURS = { red: 31, green: 32, yellow: 33, grey: 90 } as const;
export type Colour = keyof typeof COLOURS;

export const paint = (text: string, colour: Colour | undefined, enabled: boolean): string =>
  enabled && colour !== undefined ? `${ESCAPE}${COLOURS[colour]}m${text}${ESCAPE}0m` : text;

const STATUS_COLOURS: Readonly<Record<string, Colour>> = {
  completed: 'green',
  healthy: 'green',
  live: 'green',
  ok: 'green',
  published: 'green',
  assigned: 'yellow',
  executing: 'yellow',
  open: 'yellow',
  waiting: 'yellow',
  paused: 'yellow',
  compensating: 'yellow',
  handed_over: 'yellow',
  deprecated: 'yellow',
  degraded: 'yellow',
  draining: 'yellow',
  building: 'yellow',
  indeterminate: 'yellow',
  failed: 'red',
  parked: 'red',
  compensation_failed: 'red',
  dead_lettered: 'red',
  unhealthy: 'red',
  unreachable: 'red',
  halted: 'red',
  cancelled: 'grey',
  skipped: 'grey',
  compensated: 'grey',
  archived: 'grey',
  deregistered: 'grey',
};

export const status = (text: string, colour: boolean): string =>
  paint(text, STATUS_COLOURS[text.toLowerCase()], colour);

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

const widthOf = (text: string): number => [...stripVTControlCharacters(text)].length;

const pad = (text: string, width: number, align: Column['align']): string => {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'right' ? space + text : text + space;
};

/** Columns as wide as their content, two spaces between, no trailing spaces. */
export const table = (columns: readonly Column[], rows: readonly (readonly string[])[]): string => {
  const titles = columns.map(({ title }) => title);
  const lines = [titles, ...rows];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => widthOf(line[index] ?? ''))));
  return lines
    .map((line) =>
      columns
        .map(({ align }, index) => pad(line[index] ?? '', widths[index] ?? 0, align))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
};

/** `name  value` lines; those without a value are left out. */
export const facts = (entries: readonly (readonly [string, string | undefined])[]): string => {
  const known = entries.filter((entry): entry is readonly [string, string] => entry[1] !== undefined);
  const width = Math.max(0, ...known.map(([name]) => name.length));
  return known.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
};

/** `850 ms`, `1.2 s`, `3 min 5 s`. */
export const duration = (ms: number): string => {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};

/** Value at quantile `q` of sorted values, nearest rank; undefined without values. */
export const quantile = (sorted: readonly number[], q: number): number | undefined =>
  sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
