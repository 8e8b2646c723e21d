import { describe, expect, it } from 'vitest';
import type { ExecutionEvent } from '../../domain/execution/events.ts';
import { executionStream } from '../../domain/ids.ts';
import { type DueWork, WaitBook, type WaitBookSnapshot } from './wait-book.ts';

const START_MS = Date.parse('2026-03-01T12:00:00.000Z');
const at = (ms: number): string => new Date(START_MS + ms).toISOString();
const HOLD_MS = 5_000;
const FAR = START_MS + 1_000_000_000;

const event = (type: ExecutionEvent['type'], data: object = {}): ExecutionEvent =>
  ({ type, data: { executionId: 'e', ...data } }) as unknown as ExecutionEvent;

const started = (facts: object = {}) => event('ExecutionStarted', facts);
const delay = (stepId: string, dueMs: number) =>
  event('StepWaiting', { stepId, kind: 'delay', since: at(0), dueAt: at(dueMs) });
const asks = (stepId = 'sub', executionId = 'kid') =>
  event('StepWaiting', { stepId, kind: 'workflow', child: { executionId, name: 'other', input: { b: 1 } } });
const kid = (type: ExecutionEvent['type'], facts: object = {}) => event(type, { executionId: 'kid', ...facts });

const bookOf = (...events: readonly ExecutionEvent[]): WaitBook => {
  const book = new WaitBook();
  for (const one of events) book.evolve(one);
  return book;
};

const shown = (work: readonly DueWork[]): string[] =>
  work.map((one) => {
    if (one.kind === 'expire') return `expire ${one.executionId}`;
    if (one.kind === 'continue') return `continue ${one.executionId}`;
    if (one.kind === 'wake') return `wake ${one.step}`;
    if (one.kind === 'compensateChild') return `compensate ${one.owed.childId} of ${one.owed.unit}`;
    const outcome = one.kind === 'closeChild' ? ` ${one.outcome.status}` : '';
    return `${one.kind} ${one.child.executionId} of ${one.child.step}${outcome}`;
  });
const due = (book: WaitBook, ms = FAR): string[] => shown(book.due(ms, HOLD_MS));

describe('a decision that was too large for one append', () => {
  const continued = (rest: boolean) => event('ExecutionContinued', { rest });

  it('continues at once, until the log shows that everything is decided', () => {
    const book = bookOf(continued(true));
    expect(new WaitBook(book.snapshot()).size).toBe(1);
    expect(due(book, START_MS)).toEqual(['continue e']);
    expect(due(book, START_MS + HOLD_MS - 1)).toEqual([]);
    book.evolve(continued(true));
    expect(due(book, START_MS + 1)).toEqual(['continue e']);
    book.evolve(continued(false));
    expect(due(book)).toEqual([]);
    expect(book.size).toBe(0);
  });

  it.each(['ExecutionAborting', 'ExecutionCompleted', 'ExecutionCompensated'] as const)(
    'does not go on after %s',
    (type) => expect(due(bookOf(continued(true), event(type, {})))).toEqual([]),
  );
});

describe('a completed sub-workflow that is compensated with its parent', () => {
  const waiting = event('CompensationWaiting', { unit: 'sub', childId: 'kid' });
  const parked = event('CompensationParked', { unit: 'sub' });

  it('is begun, and looked at again when it has ended', () => {
    const book = bookOf(waiting);
    expect(new WaitBook(book.snapshot()).size).toBe(1);
    expect(due(book, START_MS)).toEqual(['compensate kid of sub']);
    book.evolve(kid('ExecutionAborting'));
    expect(due(book)).toEqual([]);
    book.evolve(kid('ExecutionCompensated'));
    expect(due(book)).toEqual(['compensate kid of sub']);
    book.evolve(event('CompensationCompleted', { unit: 'sub' }));
    expect(due(book)).toEqual([]);
    expect(book.size).toBe(0);
  });

  it('is looked at again when a person has seen to what had failed', () => {
    const book = bookOf(waiting, kid('ExecutionAborting'), kid('ExecutionCompensationFailed'), parked);
    expect(due(book)).toEqual([]);
    book.evolve(kid('ExecutionCompensated'));
    expect(due(book)).toEqual(['compensate kid of sub']);
  });

  it('is forgotten when a person skips it', () =>
    expect(bookOf(waiting, parked, event('CompensationSkipped', { unit: 'sub' })).size).toBe(0));
});

describe('a wait that a process whose clock is ahead has recorded', () => {
  const HOUR_MS = 3_600_000;
  const ahead = event('StepWaiting', { stepId: 'a', kind: 'delay', since: at(HOUR_MS), dueAt: at(HOUR_MS + 3_000) });

  it('ends when the time has passed since the leader saw it', () => {
    const book = bookOf(ahead);
    expect(due(book, START_MS + 100)).toEqual([]);
    expect(book.nextDueMs()).toBe(START_MS + 3_100);
    expect(due(book, START_MS + 3_099)).toEqual([]);
    expect(book.due(START_MS + 3_100, HOLD_MS)).toEqual([
      { kind: 'wake', executionId: 'e', step: 'a', dueMs: START_MS + HOUR_MS + 3_000 },
    ]);
  });

  it('does so when the clock of the leader is set back', () => {
    const book = bookOf(delay('a', 3_000));
    expect(due(book, START_MS + 1_000)).toEqual([]);
    expect(due(book, START_MS - HOUR_MS)).toEqual([]);
    expect(due(book, START_MS - HOUR_MS + 3_000)).toEqual(['wake a']);
  });

  it('does so after a change of the leader too, and under another name', () => {
    const book = new WaitBook(JSON.parse(JSON.stringify(bookOf(ahead).snapshot())));
    book.evolve(event('ExecutionMigrated', { mapping: { a: 'b' } }));
    expect(due(book, START_MS + 200)).toEqual([]);
    expect(due(book, START_MS + 3_200)).toEqual(['wake b']);
  });
});

describe('timers', () => {
  it('are due at their time, in order', () => {
    const book = bookOf(started({ deadlineAt: at(300) }), delay('b', 200), delay('a', 100));
    expect(due(book, START_MS)).toEqual([]);
    expect(book.nextDueMs()).toBe(START_MS + 100);
    expect(due(book, START_MS + 99)).toEqual([]);
    expect(due(book, START_MS + 200)).toEqual(['wake a', 'wake b']);
    expect(due(book, START_MS + 300)).toEqual(['expire e']);
  });

  it('are due again until the log shows that they led to something', () => {
    const book = bookOf(delay('a', 0));
    expect(due(book, START_MS)).toEqual(['wake a']);
    expect(due(book, START_MS + HOLD_MS - 1)).toEqual([]);
    expect(due(book, START_MS + HOLD_MS)).toEqual(['wake a']);
    book.evolve(event('StepCompleted', { stepId: 'a' }));
    expect(due(book)).toEqual([]);
    expect(book.size).toBe(0);
  });

  it.each<[string, ExecutionEvent]>([
    ['completed', event('StepCompleted', { stepId: 'a' })],
    ['failed', event('StepFailed', { stepId: 'a' })],
    ['skipped by a person', event('StepSkipped', { stepId: 'a' })],
    ['aborted with its execution', event('ExecutionAborting')],
  ])('are gone when the step has %s', (_, end) => expect(due(bookOf(delay('a', 0), end))).toEqual([]));

  it.each(['ExecutionCompleted', 'ExecutionFailed', 'ExecutionCancelled', 'ExecutionCompensated'] as const)(
    'are gone after %s',
    (type) => expect(due(bookOf(started({ deadlineAt: at(0) }), event(type, { output: null, error: {} })))).toEqual([]),
  );

  it('continue under the name that a migration gives the step', () =>
    expect(due(bookOf(delay('a', 0), event('ExecutionMigrated', { mapping: { a: 'b' } })))).toEqual(['wake b']));
});

describe('a sub-workflow', () => {
  const running = [asks(), kid('ExecutionStarted')];

  it('is due to start until it exists', () => {
    const book = bookOf(asks());
    expect(due(book)).toEqual(['startChild kid of sub']);
    book.evolve(kid('ExecutionStarted'));
    expect(due(book, FAR + HOLD_MS)).toEqual([]);
  });

  it.each<[ExecutionEvent['type'], string]>([
    ['ExecutionCompleted', 'completed'],
    ['ExecutionFailed', 'failed'],
    ['ExecutionCancelled', 'failed'],
    ['ExecutionCompensated', 'failed'],
  ])('is to be joined after %s, until its step knows', (type, outcome) => {
    const book = bookOf(...running, kid(type, { output: 1, error: {} }));
    expect(due(book)).toEqual([`closeChild kid of sub ${outcome}`]);
    expect(due(book, FAR + HOLD_MS)).toEqual([`closeChild kid of sub ${outcome}`]);
    book.evolve(event('StepCompleted', { stepId: 'sub' }));
    expect(book.size).toBe(0);
  });

  it('that waits for a person has not ended', () =>
    expect(due(bookOf(...running, kid('ExecutionCompensationFailed')))).toEqual([]));

  it.each<[string, readonly ExecutionEvent[]]>([
    ['before it starts', [asks()]],
    ['while it runs', running],
  ])('is to be cancelled when its parent aborts %s', (_, before) => {
    const book = bookOf(...before, event('ExecutionAborting'));
    expect(due(book)).toEqual(['cancelChild kid of sub']);
    book.evolve(kid('ExecutionStarted'));
    expect(due(book, FAR + HOLD_MS)).toEqual(['cancelChild kid of sub']);
    book.evolve(kid('ExecutionCancelled'));
    expect(due(book, FAR + HOLD_MS)).toEqual(['closeChild kid of sub failed']);
  });

  it('that has ended is still joined when its parent aborts', () =>
    expect(due(bookOf(...running, kid('ExecutionCompleted', { output: 1 }), event('ExecutionAborting')))).toEqual([
      'closeChild kid of sub completed',
    ]));

  it('is joined under the name that a migration gives its step', () => {
    const migrated = event('ExecutionMigrated', { mapping: { sub: 'part' } });
    expect(due(bookOf(...running, migrated, kid('ExecutionCompleted')))).toEqual(['closeChild kid of part completed']);
  });
});

describe('an execution with events that this build cannot read', () => {
  const halted = (id: string, ...events: readonly ExecutionEvent[]): WaitBook => {
    const book = bookOf(...events);
    book.halt(executionStream('default', id));
    return book;
  };

  it('has no timers that are due', () => {
    const book = halted('e', started({ deadlineAt: at(300) }), delay('a', 100));
    expect(due(book)).toEqual([]);
    expect(book.nextDueMs()).toBeUndefined();
  });

  it.each(['e', 'kid'])('neither starts a sub-workflow nor is started as one: %s', (id) =>
    expect(due(halted(id, asks()))).toEqual([]),
  );

  it('does not affect the others', () => expect(due(halted('other', delay('a', 100)))).toEqual(['wake a']));
});

describe('a snapshot', () => {
  const story: readonly ExecutionEvent[] = [
    started({ deadlineAt: at(500) }),
    delay('a', 100),
    asks(),
    kid('ExecutionStarted', { deadlineAt: at(50) }),
    asks('sub2', 'kid2'),
    event('ExecutionMigrated', { mapping: { sub2: 'part' } }),
    kid('ExecutionCompleted', { output: 1 }),
    event('StepCompleted', { stepId: 'sub' }),
    event('ExecutionAborting'),
    event('ExecutionFailed', { executionId: 'kid2', error: {} }),
  ];

  it('replaces all events before it, wherever it is taken', () => {
    for (let cut = 0; cut <= story.length; cut += 1) {
      const state = JSON.parse(JSON.stringify(bookOf(...story.slice(0, cut)).snapshot())) as WaitBookSnapshot;
      const resumed = new WaitBook(state);
      const whole = bookOf(...story.slice(0, cut));
      for (const one of story.slice(cut)) {
        resumed.evolve(one);
        whole.evolve(one);
        expect(resumed.nextDueMs()).toBe(whole.nextDueMs());
      }
      expect(due(resumed)).toEqual(due(whole));
    }
  });
});
