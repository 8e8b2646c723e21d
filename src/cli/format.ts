import { stripVTControlCharacters } from 'node:util';
import { type Colour, paint } from '../platform/terminal-text.ts';

export { type Colour, oneLine, paint } from '../platform/terminal-text.ts';

export type Column = { readonly title: string; readonly align?: 'left' | 'right'; readonly max?: number };

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
  blocked: 'yellow',
  paused: 'yellow',
  compensating: 'yellow',
  handed_over: 'yellow',
  deprecated: 'yellow',
  degraded: 'yellow',
  draining: 'yellow',
  warming: 'yellow',
  maintenance: 'yellow',
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
