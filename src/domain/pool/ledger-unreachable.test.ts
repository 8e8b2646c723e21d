import { describe, expect, it } from 'vitest';
import { copyOf } from '../../../test/support/ledger-snapshot.ts';
import { DEFAULT_RETRY } from '../retry.ts';
import type { AttemptError } from '../task/events.ts';
import { PoolLedger } from './ledger.ts';
import type { LedgerEvent } from './ledger-snapshot.ts';
import { restAfter, restMs } from './rest.ts';

const START = Date.parse('2026-03-01T12:00:00.000Z');
const iso = (ms: number): string => new Date(START + ms).toISOString();

const registered = (agentId: string): LedgerEvent => ({
  type: 'AgentRegistered',
  data: {
    agentId,
    pool: 'default',
    name: 'n',
    capabilities: [{ name: 'work', version: '1.0.0' }],
    transport: { kind: 'local' },
    maxConcurrency: 10,
    delivery: 'at_least_once',
    labels: {},
    registeredAt: iso(0),
  },
});
const submitted = (taskId: string): LedgerEvent => ({
  type: 'TaskSubmitted',
  data: {
    taskId,
    pool: 'default',
    capability: 'work',
    input: null,
    priority: 3,
    strategy: 'least_loaded',
    retry: DEFAULT_RETRY,
    timeoutMs: 60_000,
    tags: [],
    submittedAt: iso(0),
  },
});
const UNREACHABLE: AttemptError = {
  code: 'AGENT_UNREACHABLE',
  message: 'ECONNREFUSED',
  source: 'destination',
  retryable: true,
  notSent: true,
};

/** A pool where the test plays the agents: each assignment is answered by `miss` or `complete`. */
class Story {
  ledger = new PoolLedger('default');
  readonly log: LedgerEvent[] = [];

  constructor(tasks: number, ...agents: string[]) {
    for (const agent of agents) this.add(registered(agent));
    for (let n = 0; n < tasks; n += 1) this.add(submitted(`t${n}`));
  }

  add(event: LedgerEvent): void {
    this.log.push(event);
    this.ledger.evolve(event);
  }

  /** The assignments decided at that time, recorded. */
  assign(ms: number) {
    const assignments = this.ledger.assign(START + ms, 100);
    this.ledger.recorded(assignments);
    if (assignments.length > 0)
      this.log.push({ type: 'TasksAssigned', data: { pool: 'default', assignments, assignedAt: iso(ms) } });
    return assignments;
  }

  /** None of the calls reaches its agent. */
  miss(ms: number): number {
    const assignments = this.assign(ms);
    for (const { taskId, attempt, agentId } of assignments)
      this.add({
        type: 'TaskAttemptFailed',
        data: { taskId, attempt, agentId, error: UNREACHABLE, failedAt: iso(ms), retryAt: iso(ms) },
      });
    this.ledger.wake(START + ms, 100);
    return assignments.length;
  }

  complete(ms: number): number {
    const assignments = this.assign(ms);
    for (const { taskId, attempt, agentId } of assignments)
      this.add({
        type: 'TaskCompleted',
        data: { taskId, attempt, agentId, result: null, durationMs: 1, completedAt: iso(ms) },
      });
    return assignments.length;
  }
}

/** When the ledger must be looked at again, after it was looked at then. */
const nextAfter = (ledger: PoolLedger, ms: number): number => {
  ledger.wake(START + ms, 100);
  return (ledger.nextDueMs() ?? Number.NaN) - START;
};

describe('an agent that cannot be reached', () => {
  it('rests, is tried with one attempt at a time, and rests for twice as long', () => {
    const story = new Story(20, 'a');
    expect(story.miss(0)).toBe(10);
    expect(nextAfter(story.ledger, 0)).toBe(500);
    expect(story.miss(499)).toBe(0);
    expect(story.miss(500)).toBe(1);
    expect(story.miss(1_499)).toBe(0);
    expect(story.miss(1_500)).toBe(1);
    expect(nextAfter(story.ledger, 1_500)).toBe(3_500);
  });

  it('rests for 10 s at most', () => {
    let rest = restAfter(undefined, 0, 'ECONNREFUSED');
    for (let n = 0; n < 20; n += 1) rest = restAfter(rest, rest.untilMs, 'ECONNREFUSED');
    expect(restMs(rest)).toBe(10_000);
  });

  it('is left alone by its breaker after the fifth try, whatever else was under way at the first', () => {
    const story = new Story(20, 'a');
    for (const ms of [0, 500, 1_500, 3_500]) {
      expect(story.miss(ms)).toBeGreaterThan(0);
      expect(story.ledger.changeBreakers(START + ms, 100)).toEqual([]);
    }
    expect(story.miss(7_500)).toBe(1);
    expect(story.ledger.changeBreakers(START + 7_500, 100)).toMatchObject([{ agentId: 'a', to: 'open' }]);
    expect(story.miss(67_499)).toBe(0);
  });

  it('gets as much work as before once it answers', () => {
    const story = new Story(30, 'a');
    story.miss(0);
    expect(story.complete(500)).toBe(1);
    expect(story.complete(501)).toBe(10);
  });

  it('leaves its tasks to another agent', () => {
    const story = new Story(1, 'a', 'b');
    const [first] = story.assign(0);
    story.add({
      type: 'TaskAttemptFailed',
      data: { ...first!, error: UNREACHABLE, failedAt: iso(0), retryAt: iso(0) } as never,
    });
    const [second] = story.assign(1);
    expect([first?.agentId, second?.agentId].sort()).toEqual(['a', 'b']);
    expect(second?.reason.excluded).toEqual({ unhealthy: 1 });
  });

  it('says where its tasks are, also while they are given up', () => {
    const { ledger } = new Story(2, 'a');
    const story = new Story(2, 'a');
    story.miss(0);
    expect(story.ledger.waiting.placeOf('t0')).toBe('ready');
    expect(story.ledger.unreachableTasks(START + 60_000, 1_000, 1)).toHaveLength(1);
    expect([story.ledger.waiting.placeOf('t0'), story.ledger.waiting.placeOf('t1')]).toEqual(['unreachable', 'ready']);
    expect([story.ledger.waiting.size, story.ledger.waiting.withoutReason]).toEqual([2, 0]);
    story.ledger.keepWaiting('t0');
    expect(story.ledger.waiting.placeOf('t0')).toBe('delayed');
    expect(story.ledger.waiting.withoutReason).toBe(0);
    ledger.halt('task-default.t0');
    ledger.keepWaiting('t0');
    expect([ledger.waiting.placeOf('t0'), ledger.waiting.placeOf('other')]).toEqual(['unreadable', undefined]);
    expect(ledger.waiting.withoutReason).toBe(0);
  });

  describe('for too long', () => {
    const LIMIT_MS = 600_000;
    const late = (story: Story, ms: number, limit = 100) =>
      story.ledger
        .unreachableTasks(START + ms, LIMIT_MS, limit)
        .map((timer) => ('error' in timer ? [timer.taskId, timer.attempt, timer.error] : timer));

    /** One task was tried, one has waited as long without an attempt of its own, and one has come since. */
    const storyOf = (): Story => {
      const story = new Story(2);
      story.add({ ...submitted('late'), data: { ...submitted('late').data, submittedAt: iso(1_000) } } as LedgerEvent);
      story.add({ ...submitted('dated'), data: { ...submitted('dated').data, deadlineAt: iso(1e9) } } as LedgerEvent);
      return story;
    };
    const assignmentOf = (taskId: string, agentId: string, attempt: number) =>
      ({ taskId, attempt, agentId, expiresAt: iso(90_000), reason: {} }) as never;
    const missed = (story: Story, agentId: string, attempt: number): void => {
      story.add({
        type: 'TasksAssigned',
        data: { pool: 'default', assignments: [assignmentOf('t0', agentId, attempt)], assignedAt: iso(0) },
      });
      story.add({
        type: 'TaskAttemptFailed',
        data: { taskId: 't0', attempt, agentId, error: UNREACHABLE, failedAt: iso(0), retryAt: iso(0) },
      });
      story.ledger.wake(START, 100);
    };

    it('ends the tasks that wait for it, those without an attempt of their own too', () => {
      const story = storyOf();
      story.add(registered('a'));
      missed(story, 'a', 1);
      expect(late(story, LIMIT_MS - 1)).toEqual([]);
      expect(late(story, LIMIT_MS)).toEqual([
        ['t0', 2, 'ECONNREFUSED'],
        ['t1', 1, 'ECONNREFUSED'],
      ]);
      expect(late(story, LIMIT_MS)).toEqual([]);
      expect(late(story, LIMIT_MS + 1_000)).toEqual([['late', 1, 'ECONNREFUSED']]);
    });

    it('ends nothing while another agent can be reached, or has answered', () => {
      const story = storyOf();
      story.add(registered('a'));
      story.add(registered('b'));
      missed(story, 'a', 1);
      expect(late(story, LIMIT_MS)).toEqual([]);
      missed(story, 'b', 2);
      expect(late(story, LIMIT_MS, 1)).toHaveLength(1);
      story.add({
        type: 'TaskCompleted',
        data: { taskId: 'other', attempt: 1, agentId: 'a', result: null, durationMs: 1, completedAt: iso(2) },
      });
      expect(late(story, LIMIT_MS)).toEqual([]);
    });

    it('puts a task back whose end could not be recorded', () => {
      const story = storyOf();
      story.add(registered('a'));
      missed(story, 'a', 1);
      expect(late(story, LIMIT_MS, 1)).toHaveLength(1);
      story.ledger.keepWaiting('t0');
      story.ledger.wake(START + LIMIT_MS, 100);
      expect(late(story, LIMIT_MS)).toHaveLength(2);
    });
  });

  it.each([
    ['ahead', 3_600_000],
    ['behind', -3_600_000],
  ])('rests for as long when the clock of its dispatcher is an hour %s', (_, offMs) => {
    const story = new Story(1, 'a');
    const [{ taskId, attempt } = { taskId: '', attempt: 0 }] = story.assign(0);
    story.add({
      type: 'TaskAttemptFailed',
      data: { taskId, attempt, agentId: 'a', error: UNREACHABLE, failedAt: iso(offMs), retryAt: iso(offMs) },
    });
    expect(nextAfter(story.ledger, 0)).toBe(500);
    expect(story.miss(499)).toBe(0);
    expect(story.miss(500)).toBe(1);
  });

  it('rests for as long after a snapshot, and after the log is read again', () => {
    const story = new Story(20, 'a');
    story.miss(0);
    story.miss(500);
    const snapshot = copyOf(story.ledger);
    const read = new PoolLedger('default');
    for (const event of story.log) read.evolve(event);
    for (const ledger of [snapshot, read]) expect(nextAfter(ledger, 500)).toBe(1_500);
  });
});
