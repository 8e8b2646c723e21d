import { describe, expect, it } from 'vitest';
import { commandsOver } from '../../../../test/support/fake-ports.ts';
import { workingFor } from '../../../../test/support/saga.ts';
import { pauseExecution } from '../../../commands/execution/pause-execution.ts';
import type { Running } from '../../../domain/execution/state.ts';
import type { Waiting } from '../../../domain/routing/why-waiting.ts';
import { createMemoryEventStore } from '../../../eventstore/memory-event-store.ts';
import { systemClock } from '../../../platform/clock.ts';
import type { TaskRow } from '../../../projections/tasks/table.ts';
import { currentPhaseOf, itemCountsOf, stepsOf } from './execution-steps.ts';
import { whyNotRunning } from './why-not-running.ts';

const startOf = async (definition: object, input: unknown = null) => {
  const commands = commandsOver(createMemoryEventStore({ clock: systemClock }));
  const work = workingFor(commands);
  await work.publish({ name: 'w', version: '1.0.0', ...definition });
  const id = await work.start({ workflow: 'w', input });
  const caller = { tenant: 'default', actor: 'tester' };
  return { id, work, state: () => work.stateOf(id), pause: () => pauseExecution(commands, caller, id) };
};

const BUSY: Waiting = {
  reason: 'agents_busy',
  since: '2026-03-01T12:00:00.000Z',
  message: 'every able and healthy agent is at its limit',
  able: 3,
  draining: 1,
  unhealthy: 0,
  busy: 2,
  free: 0,
};

/** What the read model knows of each unit's task: `ready` unless said otherwise. */
const reasons = async (
  execution: Running,
  rows: Readonly<Record<string, Partial<TaskRow> | null>> = {},
  waiting: Waiting = BUSY,
) => {
  const entries = await whyNotRunning(execution, {
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

const task = (id: string, rest: object = {}) => ({ id, capability: 'c', ...rest });

describe('a step that does not run', () => {
  it('waits for an agent, and how many there are is told', async () => {
    const { state } = await startOf({ tasks: [task('a')] });
    expect(await reasons(await state())).toEqual([
      {
        unit: 'a',
        reason: 'agent',
        message:
          'every able and healthy agent is at its limit; 3 agents of pool default offer c: 1 drain, 0 are unhealthy, 2 busy, 0 free',
      },
    ]);
  });

  it('is not named once an agent holds its task', async () => {
    const { state } = await startOf({ tasks: [task('a')] });
    expect(await reasons(await state(), { a: { status: 'assigned' } })).toEqual([]);
  });

  it('was offered a moment ago where the read model has not seen it', async () => {
    const { state } = await startOf({ tasks: [task('a')] });
    expect(await reasons(await state(), { a: null })).toMatchObject([
      { reason: 'agent', message: expect.stringContaining('a moment ago') },
    ]);
  });

  it('waits for its next attempt', async () => {
    const { state } = await startOf({ tasks: [task('a')] });
    const retryAt = '2026-03-01T12:00:09.000Z';
    const waiting = { ...BUSY, reason: 'retry_delay', message: `waits until ${retryAt}` } as const;
    expect(await reasons(await state(), { a: { retryAt } }, waiting)).toEqual([
      { unit: 'a', reason: 'retry', message: `waits until ${retryAt}` },
    ]);
  });

  it('waits for room where the workflow allows no more at a time', async () => {
    const { state } = await startOf({ tasks: [task('a'), task('b')], coordination: { maxParallel: 1 } });
    expect(await reasons(await state(), { a: { status: 'assigned' } })).toEqual([
      { unit: 'b', reason: 'window', message: '1 tasks are open, and coordination.maxParallel is 1' },
    ]);
  });

  it('stands still while the execution is paused, offered to agents or not', async () => {
    const { state, work, id, pause } = await startOf({
      tasks: [task('a'), task('b', { dependsOn: ['a'] }), task('c'), task('d', { dependsOn: ['b'] })],
    });
    await pause();
    await work.complete(id, 'a');
    expect(await reasons(await state())).toMatchObject([
      { unit: 'b', reason: 'paused' },
      { unit: 'c', reason: 'paused' },
      { unit: 'd', reason: 'dependency', message: 'waits for b' },
    ]);
  });

  it('runs for its items as long as an agent holds one of them', async () => {
    const { state } = await startOf({ tasks: [task('a', { forEach: { items: 'input' } })] }, [1, 2]);
    expect(await reasons(await state())).toMatchObject([{ unit: 'a', reason: 'agent' }]);
    expect(await reasons(await state(), { 'a[1]': { status: 'assigned' } })).toEqual([]);
  });

  it('will not run where the execution has failed', async () => {
    const { state, work, id } = await startOf({
      tasks: [task('a', { retry: { kind: 'immediate', maxAttempts: 1 } }), task('b', { dependsOn: ['a'] })],
    });
    await work.fail(id, 'a');
    expect(await reasons(await state())).toEqual([{ unit: 'b', reason: 'ended', message: 'the execution is failed' }]);
  });

  it('names what somebody could end first', async () => {
    const { state } = await startOf({
      tasks: [
        task('later', { dependsOn: ['a'] }),
        { id: 'sleep', delayMs: 1_000 },
        task('a'),
        { id: 'ask', waitFor: { kind: 'decision', name: 'approval' } },
      ],
    });
    expect((await reasons(await state())).map(({ reason }) => reason)).toEqual([
      'decision',
      'agent',
      'delay',
      'dependency',
    ]);
  });
});

describe('the phase of an execution', () => {
  it('is the lowest level that is not through', async () => {
    const { state, work, id } = await startOf({
      tasks: [task('a'), task('b'), task('c'), task('d'), task('e', { dependsOn: ['a', 'b', 'c', 'd'] })],
    });
    expect(currentPhaseOf(await state())).toBe('1 of 2: a, b, c and 1 more');
    for (const unit of ['a', 'b', 'c', 'd']) await work.complete(id, unit);
    expect(currentPhaseOf(await state())).toBe('2 of 2: e');
    await work.complete(id, 'e');
    expect(currentPhaseOf(await state())).toBeNull();
  });
});

describe('the items of a step', () => {
  it('are counted by what became of them', async () => {
    const { state, work, id } = await startOf(
      {
        tasks: [
          task('a', {
            forEach: { items: 'input' },
            onFailure: 'continue',
            retry: { kind: 'immediate', maxAttempts: 1 },
          }),
        ],
        coordination: { maxParallel: 3 },
      },
      [1, 2, 3, 4, 5],
    );
    await work.complete(id, 'a[0]');
    await work.fail(id, 'a[1]');
    expect(stepsOf(await state()).map(itemCountsOf)).toEqual([{ total: 5, open: 3, completed: 1, failed: 1 }]);
  });
});
