import { describe, expect, it } from 'vitest';
import { copyOf } from '../../../test/support/ledger-snapshot.ts';
import { DEFAULT_RETRY } from '../retry.ts';
import type { AttemptError } from '../task/events.ts';
import type { Assignment } from './events.ts';
import { PoolLedger } from './ledger.ts';
import type { LedgerEvent } from './ledger-snapshot.ts';

const START = Date.parse('2026-03-01T12:00:00.000Z');
const iso = (ms: number): string => new Date(START + ms).toISOString();
const OPEN_MS = 60_000;

const HTTP_500: AttemptError = { code: 'AGENT_HTTP_ERROR', message: 'm', source: 'destination', retryable: true };
const REFUSED: AttemptError = { code: 'AGENT_REFUSED_REQUEST', message: 'm', source: 'agent', retryable: true };

/** A pool whose agents offer `work` and `other`; the test says what becomes of each attempt. */
class Story {
  ledger = new PoolLedger('default');
  readonly log: LedgerEvent[] = [];
  #tasks = 0;

  constructor(...agents: string[]) {
    for (const agentId of agents) this.register(agentId);
  }

  add(event: LedgerEvent): void {
    this.log.push(event);
    this.ledger.evolve(event);
  }

  register(agentId: string): void {
    const capabilities = [
      { name: 'work', version: '1.0.0' },
      { name: 'other', version: '1.0.0' },
    ];
    this.add({
      type: 'AgentRegistered',
      data: {
        agentId,
        pool: 'default',
        name: 'n',
        capabilities,
        transport: { kind: 'local' },
        maxConcurrency: 10,
        delivery: 'at_least_once',
        labels: {},
        registeredAt: iso(0),
      },
    });
  }

  submit(count: number, capability = 'work'): void {
    for (let n = 0; n < count; n += 1)
      this.add({
        type: 'TaskSubmitted',
        data: {
          taskId: `t${this.#tasks++}`,
          pool: 'default',
          capability,
          input: null,
          priority: 3,
          strategy: 'least_loaded',
          retry: DEFAULT_RETRY,
          timeoutMs: 60_000,
          tags: [],
          submittedAt: iso(0),
        },
      });
  }

  /** The changes and the assignments decided at that time, recorded. */
  decide(ms: number) {
    const changes = this.ledger.changeBreakers(START + ms, 100);
    const data = { pool: 'default', readTo: '1', changedAt: iso(ms) };
    if (changes.length > 0) this.log.push({ type: 'BreakersChanged', data: { ...data, changes } });
    const assignments = this.ledger.assign(START + ms, 100);
    this.ledger.recorded(assignments);
    if (assignments.length > 0)
      this.log.push({ type: 'TasksAssigned', data: { pool: 'default', assignments, assignedAt: iso(ms) } });
    return { changes, assignments };
  }

  fail({ taskId, attempt, agentId }: Assignment, error: AttemptError, ms: number, facts: object = {}): void {
    this.add({
      type: 'TaskAttemptFailed',
      data: { taskId, attempt, agentId, error, failedAt: iso(ms), retryAt: iso(ms), ...facts },
    });
  }

  complete({ taskId, attempt, agentId }: Assignment, ms: number): void {
    this.add({
      type: 'TaskCompleted',
      data: { taskId, attempt, agentId, result: null, durationMs: 1, completedAt: iso(ms) },
    });
  }

  /** Five calls of the agent fail at the start. */
  open(): Assignment[] {
    this.submit(5);
    const { assignments } = this.decide(0);
    for (const assignment of assignments) this.fail(assignment, HTTP_500, 0);
    return assignments;
  }
}

describe('the breaker of an agent', () => {
  it('opens after five failed calls, for that capability, and others get the work', () => {
    const story = new Story('a');
    story.open();
    story.register('b');
    story.submit(1, 'other');
    const { changes, assignments } = story.decide(1);
    expect(changes).toEqual([
      { agentId: 'a', capability: 'work', to: 'open', cause: 'failures_in_row', failures: 5, calls: 5 },
    ]);
    const work = assignments.filter(({ taskId }) => taskId !== 't5');
    expect(work.map(({ agentId }) => agentId)).toEqual(['b', 'b', 'b', 'b', 'b']);
    expect(work[0]?.reason.excluded).toEqual({ breaker: 1 });
    expect(assignments.find(({ taskId }) => taskId === 't5')?.reason.excluded).toEqual({});
  });

  it('stays closed when the agent refuses, however often', () => {
    const story = new Story('a');
    story.submit(5);
    for (let round = 0; round < 10; round += 1)
      for (const assignment of story.decide(round).assignments) story.fail(assignment, REFUSED, round);
    expect(story.decide(11).changes).toEqual([]);
  });

  it('lets one call through after 60 s, and all of them after two that were answered', () => {
    const story = new Story('a');
    story.open();
    story.decide(0);
    expect(story.decide(OPEN_MS - 1)).toEqual({ changes: [], assignments: [] });
    expect(story.ledger.nextDueMs()).toBe(START + OPEN_MS);
    const first = story.decide(OPEN_MS);
    expect(first.changes).toMatchObject([{ to: 'half_open' }]);
    expect(first.assignments).toHaveLength(1);
    expect(story.decide(OPEN_MS + 1).assignments).toEqual([]);
    story.complete(first.assignments[0]!, OPEN_MS + 2);
    const second = story.decide(OPEN_MS + 2);
    expect(second.assignments).toHaveLength(1);
    story.fail(second.assignments[0]!, REFUSED, OPEN_MS + 3);
    const third = story.decide(OPEN_MS + 3);
    expect(third.changes).toMatchObject([{ to: 'closed', cause: 'probes_succeeded' }]);
    expect(third.assignments).toHaveLength(4);
  });

  it('opens again for 60 s when that call fails', () => {
    const story = new Story('a');
    story.open();
    story.decide(0);
    const [probe] = story.decide(OPEN_MS).assignments;
    story.fail(probe!, HTTP_500, OPEN_MS);
    expect(story.decide(OPEN_MS + 5).changes).toMatchObject([{ to: 'open', cause: 'probe_failed' }]);
    expect(story.decide(2 * OPEN_MS + 4).assignments).toEqual([]);
    expect(story.decide(2 * OPEN_MS + 5).assignments).toHaveLength(1);
  });

  it('lets no call through while one from before is still under way', () => {
    const story = new Story('a');
    story.submit(6);
    const { assignments } = story.decide(0);
    for (const assignment of assignments.slice(0, 5)) story.fail(assignment, HTTP_500, 0);
    story.decide(0);
    expect(story.decide(OPEN_MS).assignments).toEqual([]);
    story.fail(assignments[5]!, HTTP_500, OPEN_MS);
    const { changes, assignments: probes } = story.decide(OPEN_MS + 1);
    expect([changes, probes.length]).toEqual([[], 1]);
  });

  it('begins anew when the agent registers again', () => {
    const story = new Story('a');
    story.open();
    story.decide(0);
    story.register('a');
    expect(story.decide(1).assignments).toHaveLength(5);
  });

  it('recalls what the agent holds, and nothing that has ended since', () => {
    const story = new Story('a');
    story.submit(7);
    const { assignments } = story.decide(0);
    for (const assignment of assignments.slice(0, 5)) story.fail(assignment, HTTP_500, 0);
    story.decide(1);
    story.complete(assignments[5]!, 2);
    expect(story.ledger.takeRecalls().map(({ taskId }) => taskId)).toEqual([assignments[6]!.taskId]);
    expect(story.ledger.takeRecalls()).toEqual([]);
  });

  it('is the same after a snapshot, and after the log is read again', () => {
    const story = new Story('a');
    story.open();
    story.decide(0);
    const [probe] = story.decide(OPEN_MS).assignments;
    story.complete(probe!, OPEN_MS + 1);
    const read = new PoolLedger('default');
    for (const event of story.log) read.evolve(event);
    const copy = copyOf(story.ledger);
    for (const ledger of [copy, read]) expect(ledger.snapshot().agents).toEqual(story.ledger.snapshot().agents);
  });

  it.each([
    ['ahead', 3_600_000, OPEN_MS],
    ['behind', -3_600_000, 0],
  ])('waits no longer than 60 s when the clock of the leader that opened it was an hour %s', (_, offMs, waits) => {
    const story = new Story('a');
    story.open();
    story.decide(offMs);
    const next = copyOf(story.ledger);
    expect(next.changeBreakers(START, 100).length).toBe(waits === 0 ? 1 : 0);
    expect(next.changeBreakers(START + OPEN_MS, 100).length).toBe(waits === 0 ? 0 : 1);
  });
});

describe('an agent that asks for a pause', () => {
  const BUSY: AttemptError = { code: 'AGENT_BUSY', message: 'HTTP 429', source: 'destination', retryable: true };

  const paused = (retryAfterMs: number, offMs = 0): Story => {
    const story = new Story('a');
    story.submit(6);
    for (const assignment of story.decide(0).assignments) story.fail(assignment, BUSY, offMs, { retryAfterMs });
    story.ledger.wake(START, 100);
    return story;
  };

  it('gets no work for so long, whatever it offers, and then as much as before', () => {
    const story = paused(5_000);
    expect(story.ledger.nextDueMs()).toBe(START + 5_000);
    expect(story.decide(4_999)).toEqual({ changes: [], assignments: [] });
    expect(story.decide(5_000).assignments).toHaveLength(6);
  });

  it('leaves the work to others meanwhile', () => {
    const story = paused(5_000);
    story.register('b');
    const [first] = story.decide(1).assignments;
    expect([first?.agentId, first?.reason.excluded]).toEqual(['b', { paused: 1 }]);
  });

  it('is paused for an hour at most, and counts from its newest word', () => {
    expect(paused(86_400_000).ledger.nextDueMs()).toBe(START + 3_600_000);
    const story = paused(5_000);
    const [probe] = story.decide(5_000).assignments;
    story.fail(probe!, BUSY, 5_000, { retryAfterMs: 1_000 });
    const copy = copyOf(story.ledger);
    copy.wake(START + 5_000, 100);
    expect(copy.nextDueMs()).toBe(START + 6_000);
  });

  it('is not paused for longer because the clock of its dispatcher is ahead', () =>
    expect(paused(5_000, 3_600_000).ledger.nextDueMs()).toBe(START + 5_000));
});
