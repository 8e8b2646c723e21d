import type { GetExecutionProgressQuery } from 'baton-client';
import { numberOf } from '../../wording/sentences.ts';
import { type Colour, duration, oneLine, paint } from '../format.ts';

export type Watched = NonNullable<GetExecutionProgressQuery['execution']>;

export type Canvas = {
  readonly columns: number;
  readonly rows: number;
  readonly colour: boolean;
  readonly nowMs: number;
};

const GLYPHS: Readonly<Record<string, readonly [string, Colour | undefined]>> = {
  PENDING: ['·', 'grey'],
  OPEN: ['●', 'yellow'],
  WAITING: ['◌', 'yellow'],
  COMPLETED: ['✓', 'green'],
  FAILED: ['✗', 'red'],
  INDETERMINATE: ['?', 'red'],
  SKIPPED: ['–', 'grey'],
  CANCELLED: ['⊘', 'grey'],
};

type Obstacles = readonly Pick<Watched['whyNotRunning'][number], 'unit' | 'reason' | 'message'>[];

/** These wait for others, which have reasons of their own. */
const FOLLOWS = new Set(['DEPENDENCY', 'UNDO_ORDER', 'ENDED', 'WINDOW']);

/** What the first steps that could go on wait for; undefined when none does. */
export const obstacleText = (entries: Obstacles): string | undefined => {
  const [first, ...others] = entries.filter(({ reason }) => !FOLLOWS.has(reason));
  if (first === undefined) return undefined;
  return `${first.unit}: ${first.message}${others.length === 0 ? '' : `, and ${others.length} more`}`;
};

type Part = { readonly text: string; readonly colour?: Colour | undefined };

const glyphOf = (state: string): Part => {
  const [text, colour] = GLYPHS[state] ?? ['?', undefined];
  return { text, colour };
};

/** Cut to the width of the terminal, so that no line wraps: redrawing counts lines. */
const fitted = (parts: readonly Part[], { columns, colour }: Canvas): string => {
  let room = columns - 1;
  let line = '';
  for (const part of parts) {
    const characters = [...part.text].slice(0, Math.max(0, room));
    if (characters.length === 0) break;
    room -= characters.length;
    line += paint(characters.join(''), part.colour, colour);
  }
  return line.trimEnd();
};

const timesText = (startedAt: string | null, endedAt: string | null, nowMs: number): string =>
  startedAt === null
    ? ''
    : duration(Math.max(0, (endedAt === null ? nowMs : Date.parse(endedAt)) - Date.parse(startedAt)));

const DONE = new Set(['COMPLETED', 'SKIPPED']);

const stepLine = (step: Watched['steps'][number], width: number, nowMs: number): Part[] => {
  const facts = [
    step.state.toLowerCase().padEnd(13),
    timesText(step.startedAt, step.endedAt, nowMs).padEnd(9),
    step.items === null ? '' : `${step.items.completed}/${step.items.total} items `,
    step.undo === null || step.undo === 'DEFINED'
      ? ''
      : `compensation ${step.undo.toLowerCase().replaceAll('_', ' ')} `,
    oneLine(step.agentId ?? '', 40),
  ];
  return [{ text: '  ' }, glyphOf(step.state), { text: ` ${step.id.padEnd(width)}  ${facts.join('')}` }];
};

const MAX_NAME = 40;

const byStep = ({ steps }: Watched, canvas: Canvas): string[] => {
  const width = Math.min(MAX_NAME, Math.max(...steps.map(({ id }) => id.length)));
  return steps.map((step) => fitted(stepLine(step, width, canvas.nowMs), canvas));
};

/** Running and failed steps first, so that a cut line drops the least interesting ones. */
const ORDER = ['FAILED', 'INDETERMINATE', 'OPEN', 'WAITING', 'COMPLETED', 'SKIPPED', 'CANCELLED', 'PENDING'];

const byLevel = ({ steps }: Watched, canvas: Canvas): string[] => {
  const levels = new Map<number, Watched['steps'][number][]>();
  for (const step of steps) {
    const level = levels.get(step.level) ?? [];
    levels.set(step.level, level);
    level.push(step);
  }
  return [...levels]
    .sort(([a], [b]) => a - b)
    .map(([level, of]) => {
      const done = of.filter(({ state }) => DONE.has(state)).length;
      const glyphs = [...of]
        .sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state))
        .map(({ state }) => glyphOf(state));
      return fitted(
        [{ text: `  ${String(level).padStart(4)}  ${`${done}/${of.length}`.padStart(11)}  ` }, ...glyphs],
        canvas,
      );
    });
};

const BAR = 30;

const barLine = ({ steps, status, startedAt, endedAt }: Watched, canvas: Canvas): string => {
  const done = steps.filter(({ state }) => DONE.has(state)).length;
  const share = steps.length === 0 ? 0 : done / steps.length;
  const filled = Math.floor(share * BAR);
  const bar = `[${'='.repeat(filled)}${'-'.repeat(BAR - filled)}]`;
  const text = ` ${Math.floor(share * 100)} %  ${done} of ${numberOf(steps.length, 'step')}  ${status.toLowerCase().replaceAll('_', ' ')}  ${timesText(startedAt, endedAt, canvas.nowMs)}`;
  return fitted([{ text: bar }, { text }], canvas);
};

const obstacleLine = ({ whyNotRunning }: Watched, canvas: Canvas): string[] => {
  const text = obstacleText(whyNotRunning);
  return text === undefined ? [] : [fitted([{ text: `  ${oneLine(text)}` }], canvas)];
};

/**
 * An execution as lines for a terminal: one per step if there is room, else one per level with a glyph for each step, else only the
 * bar. Never more lines than the terminal has, nor wider ones.
 */
export const drawExecution = (execution: Watched, canvas: Canvas): string[] => {
  const head = fitted([{ text: `${execution.workflow}@${execution.version}  ${execution.id}` }], canvas);
  const bar = [barLine(execution, canvas), ...obstacleLine(execution, canvas)];
  const room = canvas.rows - 2 - bar.length;
  const levels = new Set(execution.steps.map(({ level }) => level)).size;
  if (execution.steps.length <= room) return [head, ...byStep(execution, canvas), ...bar];
  if (levels <= room) return [head, ...byLevel(execution, canvas), ...bar];
  return [head, ...bar];
};
