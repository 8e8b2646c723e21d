import { describe, expect, it } from 'vitest';
import type { PoolEvent } from '../pool/events.ts';
import type { TaskEvent } from '../task/events.ts';
import { Backlog, type BacklogPart } from './backlog.ts';

const START_MS = Date.parse('2026-03-01T12:00:00.000Z');
const at = (ms: number) => new Date(START_MS + ms).toISOString();

const submitted = (taskId: string, ms = 0, facts: { pool?: string; capability?: string } = {}): TaskEvent =>
  ({
    type: 'TaskSubmitted',
    data: { taskId, pool: 'p', capability: 'work', ...facts, submittedAt: at(ms) },
  }) as unknown as TaskEvent;
const assigned = (taskId: string, attempt = 1, ms = 0): PoolEvent =>
  ({
    type: 'TasksAssigned',
    data: { pool: 'p', assignments: [{ taskId, attempt }], assignedAt: at(ms) },
  }) as unknown as PoolEvent;
const failed = (taskId: string, attempt: number, ms: number, isLast = false): TaskEvent =>
  ({
    type: 'TaskAttemptFailed',
    data: { taskId, attempt, failedAt: at(ms), ...(isLast ? {} : { retryAt: at(ms + 1_000) }) },
  }) as unknown as TaskEvent;
const completed = (taskId: string): TaskEvent => ({ type: 'TaskCompleted', data: { taskId } }) as unknown as TaskEvent;

const given = (...events: (TaskEvent | PoolEvent)[]): Backlog => {
  const backlog = new Backlog();
  for (const event of events) backlog.evolve(event);
  return backlog;
};
const counts = (backlog: Backlog, ms = 0) =>
  [...backlog.counts(START_MS + ms)].map(({ pool, capability, waiting, running, oldestSinceMs }) => ({
    of: `${pool}/${capability}`,
    waiting,
    running,
    oldest: oldestSinceMs === undefined ? undefined : oldestSinceMs - START_MS,
  }));

describe('the backlog', () => {
  it('counts what waits and runs, of each capability in each pool', () => {
    const backlog = given(
      submitted('a', 0),
      submitted('b', 5),
      submitted('c', 7, { capability: 'other' }),
      submitted('d', 9, { pool: 'q' }),
      assigned('a'),
    );
    expect(counts(backlog)).toEqual([
      { of: 'p/work', waiting: 1, running: 1, oldest: 5 },
      { of: 'p/other', waiting: 1, running: 0, oldest: 7 },
      { of: 'q/work', waiting: 1, running: 0, oldest: 9 },
    ]);
    expect([backlog.waitingIn('p'), backlog.waitingIn('q'), backlog.waitingIn('nowhere')]).toEqual([2, 1, 0]);
  });

  it('counts a task again whose attempt failed, from then on, and not one that has ended', () => {
    const backlog = given(submitted('a', 0), submitted('b', 5), assigned('a'), failed('a', 1, 20), completed('b'));
    expect(counts(backlog)).toEqual([{ of: 'p/work', waiting: 1, running: 0, oldest: 20 }]);
    backlog.evolve(failed('a', 2, 30, true));
    expect(counts(backlog)).toEqual([]);
    expect([backlog.waitingIn('p'), backlog.has('a')]).toEqual([0, false]);
  });

  it('knows an assignment of an attempt that had ended, and one that is told twice, for nothing', () => {
    const backlog = given(submitted('a'), failed('a', 1, 1), assigned('a', 1), completed('b'));
    expect(counts(backlog)).toMatchObject([{ waiting: 1, running: 0 }]);
    for (const event of [assigned('a', 2), assigned('a', 2), failed('a', 1, 9)]) backlog.evolve(event);
    expect(counts(backlog)).toMatchObject([{ waiting: 0, running: 1 }]);
  });

  it('tells how fast work comes and is begun, over the last minute', () => {
    const backlog = new Backlog();
    for (let n = 0; n < 60; n += 1) backlog.evolve(submitted(`t${n}`, n * 1_000));
    for (let n = 0; n < 30; n += 1) backlog.evolve(assigned(`t${n}`, 1, n * 2_000));
    const [first] = backlog.counts(START_MS + 59_000);
    expect(first).toMatchObject({ arrivedPerSecond: 1, startedPerSecond: 0.5 });
    expect(backlog.startedPerSecond('p', START_MS + 59_000)).toBe(0.5);
    expect(backlog.startedPerSecond('p', START_MS + 200_000)).toBe(0);
  });

  it('is the same after a snapshot', () => {
    const backlog = given(submitted('b', 5), submitted('a', 0), assigned('a'), submitted('c', 9), failed('a', 1, 20));
    backlog.evolve(assigned('b'));
    const parts = JSON.parse(JSON.stringify(backlog.takeParts())) as BacklogPart[];
    const restored = new Backlog();
    for (const part of parts) restored.restorePart(part);
    expect(counts(restored)).toEqual(counts(backlog));
    for (const each of [backlog, restored]) each.evolve(assigned('a', 2));
    expect(counts(restored)).toEqual(counts(backlog));
    expect(restored.waitingIn('p')).toBe(1);
  });
});
