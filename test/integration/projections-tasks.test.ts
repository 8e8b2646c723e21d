import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DomainEvent } from '../../src/domain/events.ts';
import { errorFingerprint } from '../../src/domain/task/error-fingerprint.ts';
import { listDeadLetters } from '../../src/projections/dead-letters/queries.ts';
import { getTaskAttempts } from '../../src/projections/task-attempts/queries.ts';
import { getTask, getTaskPayloads } from '../../src/projections/tasks/queries.ts';
import { countByRule } from '../../src/projections/tasks/rule-counts.ts';
import { at, ERROR, event, newTaskId, TENANT, World } from '../support/projections-support.ts';

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => world.close());

const task = newTaskId();

/** The rows of a task after `events`. Checks that one event per batch gives the same rows. */
const rowsAfter = async (...events: readonly DomainEvent[]) => {
  await world.append(...events);
  await world.project();
  const atOnce = await world.rows();
  await world.reset();
  await world.project({ maxBatch: 1 });
  expect(await world.rows()).toEqual(atOnce);
  const payload = async (kind: 'input' | 'result' | 'checkpoint') =>
    (await getTaskPayloads(world.pool, TENANT, kind, [task])).value.get(task);
  return {
    task: (await getTask(world.pool, TENANT, task)).value,
    attempts: (await getTaskAttempts(world.pool, TENANT, [task])).value,
    deadLetters: (await listDeadLetters(world.pool, TENANT, {}, { first: 10 })).edges.map(({ node }) => node),
    input: await payload('input'),
    result: await payload('result'),
    checkpoint: await payload('checkpoint'),
  };
};

const submitted = event.submitted(task, { tags: ['a', 'b'], deadlineAt: at(600), input: { text: 'hello' } });
const assigned = event.assigned([{ taskId: task }]);

describe('a submitted task', () => {
  it('is ready for its first attempt', async () => {
    const rows = await rowsAfter(submitted);
    expect(rows.task).toEqual({
      tenant: TENANT,
      taskId: task,
      pool: 'default',
      capability: 'summarise',
      versionRange: null,
      priority: 3,
      strategy: 'least_loaded',
      retry: expect.objectContaining({ kind: 'exponential', maxAttempts: 3 }),
      timeoutMs: 60_000,
      tags: ['a', 'b'],
      status: 'ready',
      attempt: 1,
      failures: 0,
      redrives: 0,
      agentId: null,
      submittedAt: at(0),
      deadlineAt: at(600),
      retryAt: null,
      assignedAt: null,
      assignedPosition: null,
      startedAt: null,
      expiresAt: null,
      endedAt: null,
      durationMs: null,
      percent: null,
      progressMessage: null,
      error: null,
      cost: {},
      cancelReason: null,
      deadLetterReason: null,
      deadLetterAttempts: null,
      deadLetteredAt: null,
      deadLetterPosition: null,
      executionId: null,
      unit: null,
      complexity: null,
      dependsOn: [],
      ruleName: null,
      ruleVersion: null,
      ruleVariant: null,
      actor: 'tester',
      correlationId: `correlation-task-default.${task}`,
      position: 16n,
      updatedPosition: 16n,
    });
    expect(rows.input).toEqual({ text: 'hello' });
    expect(rows.attempts).toEqual([]);
  });

  it('has instants to the millisecond, whatever their form in the event', async () => {
    const rows = await rowsAfter(
      event.submitted(task, { submittedAt: '2026-01-01T00:00:00.1234567Z', deadlineAt: '2026-01-01T00:00:09Z' }),
    );
    expect(rows.task).toMatchObject({
      submittedAt: '2026-01-01T00:00:00.123Z',
      deadlineAt: '2026-01-01T00:00:09.000Z',
    });
  });

  it('is blocked until what it depends on has completed, also after a redrive', async () => {
    const other = newTaskId();
    const waits = { dependsOn: [other], waitsFor: [other] };
    const blocked = event.submitted(task, { ...waits, complexity: 2.5 });
    expect((await rowsAfter(blocked)).task).toMatchObject({ status: 'blocked', dependsOn: [other], complexity: 2.5 });
    const letter = event.deadLettered(task, { reason: 'deadline_passed', attempts: 0 });
    const redriven = event.redriven(task, 2, { waitsFor: [other] });
    expect((await rowsAfter(letter, redriven)).task).toMatchObject({ status: 'blocked', dependsOn: [other] });
    const unblocked: DomainEvent = { type: 'TaskUnblocked', data: { taskId: task, unblockedAt: at(20) } };
    expect((await rowsAfter(unblocked)).task).toMatchObject({ status: 'ready', dependsOn: [other] });
  });

  it('keeps a timeout beyond 32 bits', async () => {
    const rows = await rowsAfter(event.submitted(task, { timeoutMs: 2 ** 40 }));
    expect(rows.task?.timeoutMs).toBe(2 ** 40);
  });

  it('is assigned with its attempt open', async () => {
    const rows = await rowsAfter(submitted, assigned);
    expect(rows.task).toMatchObject({
      status: 'assigned',
      attempt: 1,
      agentId: 'agent-1',
      assignedAt: at(1),
      assignedPosition: 32n,
      expiresAt: at(61),
      updatedPosition: 32n,
    });
    expect(rows.attempts).toMatchObject([
      { attempt: 1, outcome: 'open', agentId: 'agent-1', assignedAt: at(1), endedAt: null, position: 32n },
    ]);
  });

  it('ignores an assignment of an attempt that is not its current one', async () => {
    const rows = await rowsAfter(submitted, event.assigned([{ taskId: task, attempt: 2 }]));
    expect(rows.task).toMatchObject({ status: 'ready', agentId: null });
    expect(rows.attempts).toEqual([]);
  });
});

describe('an assigned task', () => {
  it('completes with result, duration and cost', async () => {
    const rows = await rowsAfter(submitted, assigned, event.completed(task, { cost: { currency: 'EUR', micros: 7 } }));
    expect(rows.task).toMatchObject({
      status: 'completed',
      agentId: 'agent-1',
      endedAt: at(6),
      durationMs: 1_250.5,
      cost: { EUR: 7 },
      error: null,
    });
    expect(rows.result).toEqual({ text: 'bye' });
    expect(rows.attempts).toMatchObject([
      {
        attempt: 1,
        outcome: 'completed',
        endedAt: at(6),
        durationMs: 1_250.5,
        cost: { currency: 'EUR', micros: 7 },
        position: 32n,
      },
    ]);
  });

  it('shows progress and keeps the checkpoint for the next attempt', async () => {
    const rows = await rowsAfter(
      submitted,
      assigned,
      event.progress(task, { percent: 40, checkpoint: { page: 3 } }),
      event.progress(task, { percent: 60, message: undefined }),
    );
    expect(rows.task).toMatchObject({ percent: 60, progressMessage: 'reading' });
    expect(rows.checkpoint).toEqual({ page: 3 });
  });

  it('notes when an agent that is called at most once was started', async () => {
    const rows = await rowsAfter(submitted, assigned, event.started(task));
    expect(rows.task).toMatchObject({ status: 'assigned', startedAt: at(2) });
    expect(rows.attempts).toMatchObject([{ outcome: 'open', startedAt: at(2) }]);
  });

  it('is ready for its second attempt when the first failed', async () => {
    const rows = await rowsAfter(submitted, assigned, event.failed(task, { cost: { currency: 'EUR', micros: 5 } }));
    expect(rows.task).toMatchObject({
      status: 'ready',
      attempt: 2,
      failures: 1,
      retryAt: at(4),
      agentId: null,
      assignedAt: null,
      expiresAt: null,
      error: ERROR,
      cost: { EUR: 5 },
    });
    expect(rows.attempts).toMatchObject([
      { attempt: 1, outcome: 'failed', agentId: 'agent-1', error: ERROR, endedAt: at(3) },
    ]);
  });

  it('is not moved back by a stale assignment', async () => {
    const again = event.assigned([{ taskId: task, attempt: 1, agentId: 'zombie' }], at(9));
    const rows = await rowsAfter(submitted, assigned, event.failed(task), again);
    expect(rows.task).toMatchObject({ status: 'ready', attempt: 2, agentId: null });
    expect(rows.attempts).toMatchObject([{ attempt: 1, outcome: 'failed', agentId: 'agent-1' }]);
  });

  it('completes in its second attempt, with the cost of both', async () => {
    const rows = await rowsAfter(
      submitted,
      assigned,
      event.failed(task, { cost: { currency: 'EUR', micros: 5 } }),
      event.assigned([{ taskId: task, attempt: 2, agentId: 'agent-2' }], at(5)),
      event.completed(task, { attempt: 2, agentId: 'agent-2', cost: { currency: 'EUR', micros: 7 } }),
    );
    expect(rows.task).toMatchObject({
      status: 'completed',
      attempt: 2,
      failures: 1,
      agentId: 'agent-2',
      cost: { EUR: 12 },
    });
    expect(rows.attempts.map(({ attempt, outcome }) => [attempt, outcome])).toEqual([
      [1, 'failed'],
      [2, 'completed'],
    ]);
  });

  it('is cancelled, and its attempt with it', async () => {
    const rows = await rowsAfter(submitted, assigned, event.cancelled(task));
    expect(rows.task).toMatchObject({ status: 'cancelled', cancelReason: 'not needed', endedAt: at(7) });
    expect(rows.attempts).toMatchObject([{ outcome: 'cancelled', endedAt: at(7) }]);
  });

  it('abandons its attempt when it is dead-lettered meanwhile', async () => {
    const rows = await rowsAfter(
      submitted,
      assigned,
      event.deadLettered(task, { reason: 'deadline_passed', attempts: 0 }),
    );
    expect(rows.attempts).toMatchObject([{ outcome: 'abandoned', endedAt: at(3) }]);
  });
});

describe('a task that has ended', () => {
  it('is not touched by an assignment that lost the race with its cancellation', async () => {
    const rows = await rowsAfter(submitted, event.cancelled(task), assigned);
    expect(rows.task).toMatchObject({ status: 'cancelled', agentId: null, assignedAt: null, updatedPosition: 32n });
    expect(rows.attempts).toEqual([]);
  });

  it('is not touched by an assignment that lost the race with its dead letter', async () => {
    const rows = await rowsAfter(
      submitted,
      event.deadLettered(task, { reason: 'deadline_passed', attempts: 0 }),
      assigned,
    );
    expect(rows.task).toMatchObject({ status: 'dead_lettered', agentId: null });
    expect(rows.attempts).toEqual([]);
  });
});

describe('a task whose outcome is unknown', () => {
  it('is indeterminate', async () => {
    const rows = await rowsAfter(submitted, assigned, event.unknown(task));
    expect(rows.task).toMatchObject({
      status: 'indeterminate',
      attempt: 1,
      agentId: 'agent-1',
      error: ERROR,
      endedAt: null,
    });
    expect(rows.attempts).toMatchObject([{ outcome: 'unknown', endedAt: at(5) }]);
  });

  it('completes with a late answer', async () => {
    const rows = await rowsAfter(submitted, assigned, event.unknown(task), event.completed(task));
    expect(rows.task).toMatchObject({ status: 'completed', endedAt: at(6) });
    expect(rows.attempts).toMatchObject([{ outcome: 'completed', endedAt: at(6), error: null }]);
  });

  it('continues with the next attempt when it is redriven', async () => {
    const rows = await rowsAfter(submitted, assigned, event.unknown(task), event.redriven(task, 2));
    expect(rows.task).toMatchObject({
      status: 'ready',
      attempt: 2,
      redrives: 1,
      priority: 1,
      deadlineAt: null,
      agentId: null,
    });
    expect(rows.deadLetters).toEqual([]);
  });
});

describe('tasks that rules have routed', () => {
  it('are counted by rule, version and variant', async () => {
    const [other, third] = [newTaskId(), newTaskId()];
    const rows = await rowsAfter(
      event.submitted(task, { rule: { name: 'gold', version: 2, variant: 'new' } }),
      assigned,
      event.completed(task),
      event.submitted(other, { rule: { name: 'gold', version: 2 } }),
      event.submitted(third, { rule: { name: 'silver', version: 1 } }),
      event.cancelled(third),
      event.submitted(newTaskId()),
    );
    expect(rows.task).toMatchObject({ ruleName: 'gold', ruleVersion: 2, ruleVariant: 'new' });
    const nothing = { tasks: 1, open: 0, completed: 0, failed: 0, cancelled: 0, failedAttempts: 0, averageMs: null };
    const gold = [
      { rule: 'gold', version: 2, variant: null, ...nothing, open: 1 },
      { rule: 'gold', version: 2, variant: 'new', ...nothing, completed: 1, averageMs: expect.any(Number) },
    ];
    const silver = { rule: 'silver', version: 1, variant: null, ...nothing, cancelled: 1 };
    expect((await countByRule(world.pool, TENANT, undefined)).value).toEqual([...gold, silver]);
    expect((await countByRule(world.pool, TENANT, 'gold')).value).toEqual(gold);
  });
});

describe('a dead-lettered task', () => {
  const dead = [submitted, assigned, event.failedForGood(task), event.deadLettered(task)];

  it('has an open dead letter with cause, attempts and error', async () => {
    const rows = await rowsAfter(...dead);
    expect(rows.task).toMatchObject({
      status: 'dead_lettered',
      attempt: 1,
      agentId: 'agent-1',
      endedAt: at(3),
      error: ERROR,
    });
    expect(rows.deadLetters).toEqual([
      {
        tenant: TENANT,
        taskId: task,
        pool: 'default',
        capability: 'summarise',
        agentId: 'agent-1',
        status: 'open',
        reason: 'attempts_exhausted',
        attempts: 1,
        error: ERROR,
        errorCode: 'BOOM',
        deadLetteredAt: at(3),
        closedAt: null,
        position: 64n,
        updatedPosition: 64n,
        fingerprint: errorFingerprint(ERROR),
      },
    ]);
  });

  it('is ready again when it is redriven, and its dead letter is closed', async () => {
    const rows = await rowsAfter(...dead, event.redriven(task, 2));
    expect(rows.task).toMatchObject({ status: 'ready', attempt: 2, endedAt: null, deadLetterReason: null });
    expect(rows.deadLetters).toMatchObject([
      { status: 'redriven', closedAt: at(10), position: 64n, updatedPosition: 80n },
    ]);
  });

  it('has its dead letter opened again by the next one', async () => {
    const rows = await rowsAfter(
      ...dead,
      event.redriven(task, 2),
      event.deadLettered(task, { reason: 'deadline_passed', deadLetteredAt: at(20) }),
    );
    expect(rows.deadLetters).toMatchObject([
      { status: 'open', reason: 'deadline_passed', closedAt: null, deadLetteredAt: at(20), position: 96n },
    ]);
  });

  it('has its dead letter closed when it is cancelled', async () => {
    const rows = await rowsAfter(...dead, event.cancelled(task));
    expect(rows.task?.status).toBe('cancelled');
    expect(rows.deadLetters).toMatchObject([{ status: 'cancelled', closedAt: at(7) }]);
  });
});
