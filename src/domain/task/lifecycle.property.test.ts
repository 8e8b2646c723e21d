import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../json.ts';
import { RetryPolicy } from '../retry.ts';
import type { SubmitTask, TaskCommand } from './commands.ts';
import { taskDecider } from './decider.ts';
import { type AttemptError, type TaskEvent, taskEvents } from './events.ts';
import type { Task } from './state.ts';

const TASK = '11111111-1111-5111-8111-111111111111';
const START = Date.parse('2026-03-01T12:00:00.000Z');
const iso = (ms: number): string => new Date(START + ms).toISOString();

const instant = fc.integer({ min: 1, max: 200_000 }).map(iso);
const payload: fc.Arbitrary<Json> = fc.constantFrom<Json>(null, 'page 7', 0, { page: 7 }, [1, [true]]);
/** Few numbers, so that current, stale and future attempts all come up. */
const attempt = fc.integer({ min: 1, max: 6 });
const agentId = fc.constantFrom('anna', 'bert');
const random = fc.integer({ min: 0, max: 999 }).map((n) => n / 1_000);
const error: fc.Arbitrary<AttemptError> = fc.record({
  code: fc.constantFrom('AGENT_FAILED', 'AGENT_TIMEOUT'),
  message: fc.string({ maxLength: 20 }),
  source: fc.constantFrom('agent', 'destination', 'timeout', 'baton'),
  retryable: fc.boolean(),
});
const retry = fc
  .record({
    kind: fc.constantFrom('exponential', 'linear', 'fixed', 'immediate'),
    maxAttempts: fc.integer({ min: 1, max: 3 }),
    jitter: fc.constantFrom(0, 0.2, 1),
  })
  .map((policy) => RetryPolicy.parse(policy));

const submit: fc.Arbitrary<SubmitTask> = fc
  .record({ retry, deadlineAt: instant, versionRange: fc.constant('^1.0.0') }, { requiredKeys: ['retry'] })
  .map((facts) => ({
    type: 'SubmitTask',
    taskId: TASK,
    capability: 'translate',
    input: null,
    pool: 'default',
    priority: 3,
    strategy: 'least_loaded',
    timeoutMs: 1_000,
    tags: [],
    now: iso(0),
    ...facts,
  }));

const attemptCommand: fc.Arbitrary<TaskCommand> = fc
  .record({ attempt, agentId, error, random, now: instant, checkpoint: payload })
  .chain(({ attempt, agentId, error, random, now, checkpoint }) =>
    fc.constantFrom<TaskCommand>(
      { type: 'CompleteAttempt', attempt, agentId, result: checkpoint, durationMs: 5, now },
      { type: 'FailAttempt', attempt, agentId, error, random, now },
      { type: 'FailAttempt', attempt, error, random, now },
      { type: 'GiveUpAttempt', attempt, agentId, error, random, now },
      { type: 'StartAttempt', attempt, agentId, now },
      { type: 'MarkOutcomeUnknown', attempt, agentId, error, now },
      { type: 'ReportProgress', attempt, now, checkpoint },
    ),
  );

const otherCommand: fc.Arbitrary<TaskCommand> = fc.oneof(
  fc.record({ type: fc.constant('CancelTask' as const), now: instant }),
  fc.record(
    { type: fc.constant('RedriveTask' as const), now: instant, deadlineAt: instant },
    { requiredKeys: ['type', 'now'] },
  ),
  fc.record({ type: fc.constant('ExpireTask' as const), heldBy: fc.constantFrom('agent-1', undefined), now: instant }),
);

const command = fc.oneof(
  { weight: 1, arbitrary: submit as fc.Arbitrary<TaskCommand> },
  { weight: 8, arbitrary: attemptCommand },
  { weight: 3, arbitrary: otherCommand },
);
const commands = fc.tuple(submit, fc.array(command, { maxLength: 40 })).map(([first, rest]) => [first, ...rest]);

type Step = {
  readonly command: TaskCommand;
  readonly before: Task;
  readonly events: readonly TaskEvent[];
  readonly after: Task;
};

/** Runs the commands as the handler does; rejected ones leave no step. */
const run = (sequence: readonly TaskCommand[]): Step[] => {
  const steps: Step[] = [];
  let state = taskDecider.initialState();
  for (const command of sequence) {
    const decision = taskDecider.decide(command, state);
    if (!decision.ok) continue;
    const after = decision.value.reduce(taskDecider.evolve, state);
    steps.push({ command, before: state, events: decision.value, after });
    state = after;
  }
  return steps;
};
const logOf = (steps: readonly Step[]): TaskEvent[] => steps.flatMap(({ events }) => events);

const ENDS = ['TaskCompleted', 'TaskCancelled'];

describe('any sequence of commands', () => {
  it('ends a task at most once, with nothing after the end (S3)', () =>
    fc.assert(
      fc.property(commands, (sequence) => {
        const types = logOf(run(sequence)).map(({ type }) => type);
        const end = types.findIndex((type) => ENDS.includes(type));
        if (end !== -1) expect(types.slice(end + 1)).toEqual([]);
      }),
      { numRuns: 500 },
    ));

  it('takes only legal steps (S4)', () => {
    /** From the last event that moved the task: what may come next. */
    const working = [
      'TaskAttemptStarted',
      'TaskProgressReported',
      'TaskAttemptFailed',
      'TaskOutcomeUnknown',
      'TaskCompleted',
      'TaskCancelled',
      'TaskDeadLettered',
    ];
    const next: Readonly<Record<string, readonly string[]>> = {
      nothing: ['TaskSubmitted'],
      TaskSubmitted: working,
      TaskAttemptStarted: working.slice(1),
      TaskProgressReported: working,
      TaskAttemptFailed: working,
      TaskRedriven: working,
      TaskOutcomeUnknown: ['TaskCompleted', 'TaskCancelled', 'TaskRedriven'],
      TaskDeadLettered: ['TaskCancelled', 'TaskRedriven'],
      TaskCompleted: [],
      TaskCancelled: [],
    };
    fc.assert(
      fc.property(commands, (sequence) => {
        let last = 'nothing';
        for (const { type } of logOf(run(sequence))) {
          expect(next[last], `${type} after ${last}`).toContain(type);
          last = type;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('closes an attempt once, in order, and only while it is the current one (S6)', () =>
    fc.assert(
      fc.property(commands, (sequence) => {
        let current = 0;
        for (const event of logOf(run(sequence))) {
          if (event.type === 'TaskSubmitted') current = 1;
          if (event.type === 'TaskRedriven') {
            expect(event.data.nextAttempt).toBeGreaterThanOrEqual(current);
            current = event.data.nextAttempt;
          }
          if ('attempt' in event.data) expect(event.data.attempt).toBe(current);
          // An unknown outcome leaves it current: its answer may still settle it.
          if (event.type === 'TaskAttemptFailed') current += 1;
        }
      }),
      { numRuns: 500 },
    ));

  it('never uses an attempt number in two budgets, so that an old answer is never taken for a new one', () =>
    fc.assert(
      fc.property(commands, (sequence) => {
        let highest = 0;
        for (const { events, before } of run(sequence))
          for (const event of events) {
            if (before.status !== 'none') highest = Math.max(highest, before.status === 'open' ? before.attempt : 0);
            if (event.type === 'TaskRedriven') expect(event.data.nextAttempt).toBeGreaterThan(highest);
          }
      }),
      { numRuns: 500 },
    ));

  it('never allows more attempts than the budget between redrives', () =>
    fc.assert(
      fc.property(commands, (sequence) => {
        const log = logOf(run(sequence));
        const allowed = (log[0] as Extract<TaskEvent, { type: 'TaskSubmitted' }>).data.retry.maxAttempts;
        let used = 0;
        for (const event of log) {
          if (event.type === 'TaskRedriven') used = 0;
          if (event.type === 'TaskAttemptFailed') used += 1;
          expect(used).toBeLessThanOrEqual(allowed);
          if (event.type === 'TaskAttemptFailed' && event.data.retryAt !== undefined)
            expect(used).toBeLessThan(allowed);
        }
      }),
      { numRuns: 500 },
    ));

  it('gives the same state when the stored events are replayed', () =>
    fc.assert(
      fc.property(commands, (sequence) => {
        const steps = run(sequence);
        const stored = JSON.parse(JSON.stringify(logOf(steps))) as TaskEvent[];
        const replayed = stored.reduce(taskDecider.evolve, taskDecider.initialState());
        expect(JSON.parse(JSON.stringify(replayed))).toEqual(JSON.parse(JSON.stringify(steps.at(-1)?.after ?? {})));
      }),
    ));

  it('records only events that fit their schemas', () =>
    fc.assert(
      fc.property(commands, (sequence) => {
        for (const { type, data } of logOf(run(sequence)))
          expect(taskEvents[type].schema.safeParse(data)).toMatchObject({ success: true });
      }),
    ));
});
