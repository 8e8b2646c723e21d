import { describe, expect, it } from 'vitest';
import { Story, step } from '../../../test/support/story.ts';
import type { Running } from '../../domain/execution/state.ts';
import type { Waiting } from '../../domain/routing/why-waiting.ts';
import type { TaskRow } from '../../projections/tasks/table.ts';
import { explainNotRunning } from './not-running.ts';

const BUSY: Waiting = {
  reason: 'agents_busy',
  since: '2026-03-01T12:00:00.000Z',
  message: 'every able and healthy agent is at its limit',
  obstacle: 'capacity',
  unblock: 'let one attempt of agent a end',
  until: null,
  able: 3,
  draining: 1,
  maintenance: 0,
  warming: 0,
  unhealthy: 0,
  unreachable: 0,
  paused: 0,
  breaker: 0,
  busy: 2,
  free: 0,
};

/** What the read model knows of each unit's task: `ready` unless said otherwise. */
const reasons = async (
  execution: Running,
  rows: Readonly<Record<string, Partial<TaskRow> | null>> = {},
  waiting: Waiting = BUSY,
) => {
  const entries = await explainNotRunning(execution, {
    tasks: async (ids) =>
      ids.map((taskId) => {
        const row = rows[execution.unitOf.get(taskId) ?? ''];
        return row === null
          ? null
          : ({ taskId, status: 'ready', pool: 'default', capability: 'c', retryAt: null, ...row } as TaskRow);
      }),
    waiting: async () => waiting,
  });
  return entries.map(({ unit, reason, message }) => ({ unit, reason, message }));
};

describe('a step that was offered to agents', () => {
  it('waits for an agent; the message counts those that cannot take it', async () =>
    expect(await reasons(Story.of([step('a')]).state)).toEqual([
      {
        unit: 'a',
        reason: 'agent',
        message: 'every able and healthy agent is at its limit (3 agents: 1 draining, 2 busy)',
      },
    ]));

  it('is left out once an agent holds its task', async () =>
    expect(await reasons(Story.of([step('a')]).state, { a: { status: 'assigned' } })).toEqual([]));

  it('was offered a moment ago if the read model has not seen it', async () =>
    expect(await reasons(Story.of([step('a')]).state, { a: null })).toMatchObject([
      { reason: 'agent', message: expect.stringContaining('a moment ago') },
    ]));

  it('waits for its next attempt', async () => {
    const retryAt = '2026-03-01T12:00:09.000Z';
    const waiting = { ...BUSY, reason: 'retry_delay', message: `waits until ${retryAt}` } as const;
    expect(await reasons(Story.of([step('a')]).state, { a: { retryAt } }, waiting)).toEqual([
      { unit: 'a', reason: 'retry', message: `waits until ${retryAt}` },
    ]);
  });

  it('is paused with its execution, as are the steps that were not offered yet', async () => {
    const story = Story.of([step('a'), step('b', ['a']), step('c'), step('d', ['b'])]);
    story.when({ type: 'PauseExecution' });
    story.complete('a');
    expect(await reasons(story.state)).toEqual([
      { unit: 'b', reason: 'paused', message: 'the execution is paused' },
      { unit: 'c', reason: 'paused', message: 'the execution is paused' },
      { unit: 'd', reason: 'dependency', message: 'waits for b' },
    ]);
  });

  it('runs as long as an agent holds one of its items', async () => {
    const story = Story.of([step('a', [], { forEach: { items: 'input' } })], {}, { input: [1, 2] });
    expect(await reasons(story.state)).toMatchObject([{ unit: 'a', reason: 'agent' }]);
    expect(await reasons(story.state, { 'a[1]': { status: 'assigned' } })).toEqual([]);
  });
});

describe('the order of the entries', () => {
  it('starts with the entries that somebody can act on', async () => {
    const story = Story.of([
      step('later', ['a']),
      step('sleep', [], { delayMs: 1_000 }),
      step('a'),
      step('ask', [], { waitFor: { kind: 'decision', name: 'approval' } }),
    ]);
    expect((await reasons(story.state)).map(({ reason }) => reason)).toEqual([
      'decision',
      'agent',
      'delay',
      'dependency',
    ]);
  });
});
