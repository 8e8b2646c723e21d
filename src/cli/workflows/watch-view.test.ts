import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { LiveView } from './live-view.ts';
import { drawExecution, type Watched } from './watch-view.ts';

const STARTED = '2026-01-01T00:00:00.000Z';
const at = (ms: number): string => new Date(Date.parse(STARTED) + ms).toISOString();
const canvas = { columns: 80, rows: 24, colour: false, nowMs: Date.parse(STARTED) + 3_000 };

type Step = Watched['steps'][number];
const step = (id: string, level: number, state: Step['state'], more: Partial<Step> = {}): Step => ({
  id,
  level,
  state,
  agentId: null,
  items: null,
  startedAt: null,
  endedAt: null,
  undo: null,
  ...more,
});

const execution = (steps: readonly Step[], more: Partial<Watched> = {}): Watched => ({
  id: 'e1',
  workflow: 'order',
  version: '1.0.0',
  status: 'EXECUTING',
  startedAt: STARTED,
  endedAt: null,
  steps,
  whyNotRunning: [],
  ...more,
});

const SMALL = execution([
  step('reserve', 1, 'COMPLETED', { startedAt: at(0), endedAt: at(850), agentId: 'stock-1', undo: 'DEFINED' }),
  step('pay', 2, 'FAILED', { startedAt: at(900), endedAt: at(1_000), undo: 'OWED' }),
  step('resize', 2, 'OPEN', { startedAt: at(1_000), items: { total: 9, completed: 4, failed: 0 } }),
  step('ship', 3, 'PENDING'),
]);

describe('the picture of an execution', () => {
  it('has a line per step where there is room', () => {
    expect(drawExecution(SMALL, canvas)).toEqual([
      'order@1.0.0  e1',
      '  ✓ reserve  completed    850 ms   stock-1',
      '  ✗ pay      failed       100 ms   compensation owed',
      '  ● resize   open         2.0 s    4/9 items',
      '  · ship     pending',
      '[=======-----------------------] 25 %  1 of 4 steps  executing  3.0 s',
    ]);
  });

  it('has a line per level where there are many steps, running ones first', () => {
    const many = Array.from({ length: 40 }, (_, index) => step(`s${index}`, 2, index < 10 ? 'COMPLETED' : 'OPEN'));
    const lines = drawExecution(execution([step('a', 1, 'COMPLETED'), ...many]), canvas);
    expect(lines).toHaveLength(4);
    expect(lines[1]).toBe('     1          1/1  ✓');
    expect(lines[2]).toBe(`     2        10/40  ${'●'.repeat(30)}${'✓'.repeat(10)}`);
  });

  it('has only the bar where there are many levels', () => {
    const chain = Array.from({ length: 100 }, (_, index) => step(`s${index}`, index + 1, 'COMPLETED'));
    const lines = drawExecution(execution(chain, { status: 'COMPLETED', endedAt: at(5_000) }), canvas);
    expect(lines).toEqual(['order@1.0.0  e1', `[${'='.repeat(30)}] 100 %  100 of 100 steps  completed  5.0 s`]);
  });

  it('is never wider or higher than the terminal, even in colour', () => {
    const wide = Array.from({ length: 500 }, (_, index) => step(`s${index}`, 1 + (index % 3), 'OPEN'));
    for (const [columns, rows] of [
      [20, 5],
      [80, 24],
      [40, 600],
    ] as const) {
      const lines = drawExecution(execution(wide), { ...canvas, columns, rows, colour: true });
      expect(lines.length).toBeLessThan(rows);
      for (const line of lines) expect([...stripVTControlCharacters(line)].length).toBeLessThan(columns);
    }
    expect(drawExecution(SMALL, { ...canvas, colour: true })[1]).toContain('\u001b[32m✓\u001b[0m');
  });

  it('cannot be disturbed by the name of an agent', () => {
    const [line] = drawExecution(execution([step('a', 1, 'OPEN', { agentId: 'x\u001b[2J\ny' })]), canvas).slice(1);
    expect(line).toMatch(/^ {2}● a +open +x y$/);
  });
});

describe('a live view', () => {
  it('redraws over the last picture, keeps it while the server is unreachable, and leaves the final one', async () => {
    let text = '';
    const screen = {
      columns: 0, // of a terminal that does not tell its size
      rows: 0,
      write: (part: string) => {
        text += part;
        return true;
      },
    };
    const answers: (Watched | Error)[] = [SMALL, new Error('away'), execution([step('a', 1, 'COMPLETED')])];
    const view = new LiveView(screen as never, false, async () => {
      const answer = answers.shift();
      if (answer === undefined || answer instanceof Error) throw answer ?? new Error('nobody asked for this');
      return answer;
    });
    view.changed();
    await expect.poll(() => text).toContain('reserve');
    view.changed();
    view.changed();
    await view.stop();
    expect(answers).toEqual([]);
    expect(text.split('\u001b[6A\u001b[J')).toHaveLength(2);
    expect(text).toMatch(/✓ a +completed\n\[={30}\] 100 % {2}1 of 1 step.*\n$/);
  });
});
