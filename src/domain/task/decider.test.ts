import { describe, expect, it } from 'vitest';
import { specOf } from '../../../test/support/given-when-then.ts';
import { DEFAULT_RETRY, type RetryPolicy } from '../retry.ts';
import type { CompleteAttempt, FailAttempt, SubmitTask } from './commands.ts';
import { taskDecider } from './decider.ts';
import { type AttemptError, type TaskEvent, taskEvents } from './events.ts';

const task = specOf(taskDecider);

const TASK = '11111111-1111-5111-8111-111111111111';
const T0 = '2026-03-01T12:00:00.000Z';
const at = (ms: number): string => new Date(Date.parse(T0) + ms).toISOString();

type DataOf<Type extends TaskEvent['type']> = Extract<TaskEvent, { type: Type }>['data'];

const submittedWith = (facts: Partial<DataOf<'TaskSubmitted'>> = {}): TaskEvent => ({
  type: 'TaskSubmitted',
  data: {
    taskId: TASK,
    pool: 'default',
    capability: 'translate',
    input: { text: 'hello' },
    priority: 3,
    strategy: 'least_loaded',
    retry: DEFAULT_RETRY,
    timeoutMs: 300_000,
    tags: [],
    submittedAt: T0,
    ...facts,
  },
});
const submitted = submittedWith();
const withRetry = (retry: Partial<RetryPolicy>): TaskEvent => submittedWith({ retry: { ...DEFAULT_RETRY, ...retry } });

const TROUBLE: AttemptError = { code: 'AGENT_FAILED', message: 'no luck', source: 'agent', retryable: true };
const HOPELESS: AttemptError = { ...TROUBLE, code: 'BAD_REQUEST', retryable: false };
const DEADLINE_ERROR: AttemptError = {
  code: 'DEADLINE_PASSED',
  message: 'the deadline of the task passed before it completed',
  source: 'timeout',
  retryable: false,
};

const failed = (attempt: number, facts: Partial<DataOf<'TaskAttemptFailed'>> = { retryAt: at(2_000) }): TaskEvent => ({
  type: 'TaskAttemptFailed',
  data: { taskId: TASK, attempt, agentId: 'anna', error: TROUBLE, failedAt: at(1_000), ...facts },
});
const deadLettered = (
  attempts: number,
  reason: DataOf<'TaskDeadLettered'>['reason'] = 'attempts_exhausted',
): TaskEvent => ({
  type: 'TaskDeadLettered',
  data: { taskId: TASK, reason, attempts, error: TROUBLE, deadLetteredAt: at(1_000) },
});
const unknown = (attempt: number): TaskEvent => ({
  type: 'TaskOutcomeUnknown',
  data: { taskId: TASK, attempt, agentId: 'anna', error: TROUBLE, occurredAt: at(1_000) },
});
const completed = (attempt: number): TaskEvent => ({
  type: 'TaskCompleted',
  data: { taskId: TASK, attempt, agentId: 'anna', result: 'hallo', durationMs: 12, completedAt: at(1_000) },
});
const cancelled: TaskEvent = { type: 'TaskCancelled', data: { taskId: TASK, cancelledAt: at(1_000) } };
const started = (attempt: number): TaskEvent => ({
  type: 'TaskAttemptStarted',
  data: { taskId: TASK, attempt, agentId: 'anna', startedAt: at(500) },
});
const progressed = (attempt: number, checkpoint?: string): TaskEvent => ({
  type: 'TaskProgressReported',
  data: {
    taskId: TASK,
    attempt,
    percent: 40,
    reportedAt: at(700),
    ...(checkpoint === undefined ? {} : { checkpoint }),
  },
});
const redriven = (nextAttempt: number, deadlineAt?: string): TaskEvent => ({
  type: 'TaskRedriven',
  data: {
    taskId: TASK,
    pool: 'default',
    capability: 'translate',
    priority: 3,
    strategy: 'least_loaded',
    timeoutMs: 300_000,
    nextAttempt,
    redrivenAt: at(5_000),
    ...(deadlineAt === undefined ? {} : { deadlineAt }),
  },
});

const submit: SubmitTask = {
  type: 'SubmitTask',
  taskId: TASK,
  capability: 'translate',
  input: { text: 'hello' },
  pool: 'default',
  priority: 3,
  strategy: 'least_loaded',
  retry: DEFAULT_RETRY,
  timeoutMs: 300_000,
  tags: [],
  now: T0,
};
const complete = (attempt: number): CompleteAttempt => ({
  type: 'CompleteAttempt',
  attempt,
  agentId: 'anna',
  result: 'hallo',
  durationMs: 12,
  now: at(1_000),
});
const fail = (attempt: number, facts: Partial<FailAttempt> = {}): FailAttempt => ({
  type: 'FailAttempt',
  attempt,
  agentId: 'anna',
  error: TROUBLE,
  random: 0.5,
  now: at(1_000),
  ...facts,
});
const start = (attempt: number) => ({ type: 'StartAttempt', attempt, agentId: 'anna', now: at(500) }) as const;
const giveUp = (attempt: number) => ({ ...fail(attempt), type: 'GiveUpAttempt', agentId: 'anna' }) as const;
const lose = (attempt: number) =>
  ({ type: 'MarkOutcomeUnknown', attempt, agentId: 'anna', error: TROUBLE, now: at(1_000) }) as const;
const report = (attempt: number) => ({ type: 'ReportProgress', attempt, percent: 40, now: at(700) }) as const;
const cancel = { type: 'CancelTask', now: at(1_000) } as const;
const redrive = { type: 'RedriveTask', now: at(5_000) } as const;
const expire = (heldBy: string | undefined, now = at(60_000)) => ({ type: 'ExpireTask', heldBy, now }) as const;

const EVERY_ATTEMPT_COMMAND = [complete(1), fail(1), giveUp(1), start(1), lose(1), report(1)];
const EVERY_OTHER_COMMAND = [cancel, redrive, expire('anna'), expire(undefined)];

describe('a task that does not exist', () => {
  it('is submitted with everything the caller gave', () => task.given().when(submit).thenEvents(submitted));

  it('keeps version range, deadline and tags, with the deadline in UTC', () =>
    task
      .given()
      .when({ ...submit, versionRange: '^1.2.0', deadlineAt: '2026-03-01T14:00:00+01:00', tags: ['eu'] })
      .thenEvents(submittedWith({ versionRange: '^1.2.0', deadlineAt: '2026-03-01T13:00:00.000Z', tags: ['eu'] })));

  it('keeps what routing may go by, also when it is sent back to work', () => {
    const hints = { affinityKey: 'customer-7', specialisation: 'laws', targets: ['anna', 'bert'] };
    task
      .given()
      .when({ ...submit, ...hints })
      .thenEvents(submittedWith(hints));
    const [event] = task
      .given(submittedWith(hints), failed(1, {}), deadLettered(1))
      .when({ type: 'RedriveTask', now: at(5_000) }).events;
    expect(event?.data).toMatchObject(hints);
  });

  it.each([
    ['content_based', { task_type: 'laws' }, 'laws'],
    ['content_based', { taskType: 'poems' }, 'poems'],
    ['content_based', { task_type: 7 }, undefined],
    ['content_based', ['laws'], undefined],
    ['least_loaded', { task_type: 'laws' }, undefined],
  ] as const)('takes for %s the kind of the input %j to be %s', (strategy, input, specialisation) =>
    task
      .given()
      .when({ ...submit, strategy, input })
      .thenEvents(submittedWith({ strategy, input, ...(specialisation === undefined ? {} : { specialisation }) })),
  );

  it.each(['2026-03-01T11:59:59.999Z', T0])('refuses the deadline %s, which has passed', (deadlineAt) =>
    task
      .given()
      .when({ ...submit, deadlineAt })
      .thenRejected({ reason: 'DeadlinePassed', deadlineAt }),
  );

  it.each([...EVERY_ATTEMPT_COMMAND, ...EVERY_OTHER_COMMAND])('is not found by $type', (command) =>
    task.given().when(command).thenRejected({ reason: 'TaskNotFound' }),
  );

  it('ignores events that come before its submission', () =>
    expect(task.given(failed(1), completed(1)).state).toEqual({ status: 'none' }));
});

describe('an open task', () => {
  const open = task.given(submitted);

  it('is not submitted twice', () => open.when(submit).thenRejected({ reason: 'TaskAlreadyExists' }));

  it('completes', () => open.when(complete(1)).thenEvents(completed(1)));

  it('records what an attempt cost, however it ends', () => {
    const cost = { currency: 'EUR', micros: 1_200 };
    expect(open.when({ ...complete(1), cost }).events[0]?.data).toMatchObject({ cost });
    expect(open.when(fail(1, { cost })).events[0]?.data).toMatchObject({ cost });
  });

  it('is retried after a failure', () => open.when(fail(1)).thenEvents(failed(1, { retryAt: at(2_000) })));

  it('waits as long as the agent asks, if that is longer than its policy', () => {
    open.when(fail(1, { retryAfterMs: 90_000 })).thenEvents(failed(1, { retryAt: at(2_000), retryAfterMs: 90_000 }));
  });

  it('fails when its attempt is abandoned; if the call was started, the outcome is unknown', () => {
    open.when(giveUp(1)).thenEvents(failed(1, { retryAt: at(2_000) }));
    task.given(submitted, started(1)).when(giveUp(1)).thenEvents(unknown(1));
  });

  it('is dead-lettered after a failure that no retry can fix', () =>
    open.when(fail(1, { error: HOPELESS })).thenEvents(failed(1, { error: HOPELESS }), {
      type: 'TaskDeadLettered',
      data: { taskId: TASK, reason: 'not_retryable', attempts: 1, error: HOPELESS, deadLetteredAt: at(1_000) },
    }));

  it('may fail without an agent', () => {
    const { agentId: _, ...unassigned } = fail(1);
    expect(open.when(unassigned).events[0]?.data).not.toHaveProperty('agentId');
  });

  it('becomes indeterminate when nobody knows the outcome', () => open.when(lose(1)).thenEvents(unknown(1)));

  it('reports progress', () => open.when(report(1)).thenEvents(progressed(1)));

  it('is cancelled, with or without a reason', () => {
    open.when(cancel).thenEvents(cancelled);
    open
      .when({ ...cancel, reason: 'changed my mind' })
      .thenEvents({ type: 'TaskCancelled', data: { taskId: TASK, reason: 'changed my mind', cancelledAt: at(1_000) } });
  });

  it('is not redriven', () => open.when(redrive).thenRejected({ reason: 'TaskNotRedrivable', status: 'open' }));

  it.each([complete(2), fail(2), start(2), lose(2), report(2)])('accepts no $type of a future attempt', (command) =>
    open.when(command).thenRejected({ reason: 'StaleAttempt', attempt: 2, current: 1 }),
  );
});

describe('an open task whose agent must not be called twice', () => {
  it('records the start of the call', () => task.given(submitted).when(start(1)).thenEvents(started(1)));

  it('refuses a second start of the same attempt', () =>
    task.given(submitted, started(1)).when(start(1)).thenRejected({ reason: 'AttemptAlreadyStarted', attempt: 1 }));

  it('refuses it also after progress', () =>
    task
      .given(submitted, started(1), progressed(1))
      .when(start(1))
      .thenRejected({ reason: 'AttemptAlreadyStarted', attempt: 1 }));

  it('lets the next attempt start', () =>
    task.given(submitted, started(1), failed(1)).when(start(2)).thenEvents(started(2)));

  it('lets the attempt after a redrive start', () =>
    task.given(submitted, started(1), unknown(1), redriven(2)).when(start(2)).thenEvents(started(2)));
});

describe('a task whose first attempt failed', () => {
  const retrying = task.given(submitted, failed(1));

  it.each(EVERY_ATTEMPT_COMMAND)('accepts no late $type of that attempt', (command) =>
    retrying.when(command).thenRejected({ reason: 'StaleAttempt', attempt: 1, current: 2 }),
  );

  it('goes on while no agent is reached, but not for ever, unless it has a deadline', () => {
    const DOWN: AttemptError = { ...TROUBLE, code: 'AGENT_UNREACHABLE', source: 'destination', notSent: true };
    const miss = (attempt: number, ms: number) =>
      fail(attempt, { error: DOWN, now: at(ms), unreachableLimitMs: 600_000 });
    const missed = failed(1, { error: DOWN, failedAt: at(1_000), retryAt: at(1_000) });
    const down = task.given(withRetry({ maxAttempts: 1 }), missed);
    down.when(miss(2, 600_999)).thenEvents(failed(2, { error: DOWN, failedAt: at(600_999), retryAt: at(600_999) }));
    expect(down.when(miss(2, 601_000)).events).toMatchObject([
      { type: 'TaskAttemptFailed', data: { error: { code: 'AGENTS_UNREACHABLE', notSent: true } } },
      { type: 'TaskDeadLettered', data: { error: { code: 'AGENTS_UNREACHABLE', retryable: false } } },
    ]);
    const deadlineAt = at(9_000_000);
    expect(task.given(submittedWith({ deadlineAt }), missed).when(miss(2, 601_000)).events).toHaveLength(1);
    const reached = failed(2, { retryAt: at(500_000) });
    expect(task.given(submitted, missed, reached).when(miss(3, 601_000)).events).toHaveLength(1);
  });

  it('keeps its number of attempts when one was provably never sent', () => {
    const NOT_SENT: AttemptError = { ...TROUBLE, source: 'baton', notSent: true };
    const notSent = failed(1, { error: NOT_SENT, retryAt: at(1_000) });
    task
      .given(withRetry({ maxAttempts: 1 }))
      .when(fail(1, { error: NOT_SENT }))
      .thenEvents(notSent);
    task
      .given(withRetry({ maxAttempts: 1 }), notSent)
      .when(fail(2, { error: NOT_SENT }))
      .thenEvents(failed(2, { error: NOT_SENT, retryAt: at(1_000) }));
    task
      .given(withRetry({ maxAttempts: 1 }), notSent)
      .when(fail(2))
      .thenEvents(failed(2, {}), deadLettered(2));
  });

  it('keeps its number of attempts when its agent was gone, but not for ever: it may be what ends its agents', () => {
    const GONE: AttemptError = {
      ...TROUBLE,
      code: 'AGENT_GONE',
      source: 'baton',
      outcomeUnknown: true,
      agentGone: true,
    };
    const gone = (attempt: number) => failed(attempt, { error: GONE, retryAt: at(1_000) });
    const twice = withRetry({ maxAttempts: 2 });
    task
      .given(twice)
      .when(fail(1, { error: GONE }))
      .thenEvents(gone(1));
    task
      .given(twice, gone(1))
      .when(fail(2, { error: GONE }))
      .thenEvents(gone(2));
    expect(task.given(twice, gone(1), gone(2)).when(fail(3, { error: GONE })).events).toMatchObject([
      { type: 'TaskAttemptFailed', data: { retryAt: expect.any(String) } },
    ]);
    const third = failed(3, { error: GONE, retryAt: at(2_000) });
    expect(task.given(twice, gone(1), gone(2), third).when(fail(4, { error: GONE })).events).toMatchObject([
      { type: 'TaskAttemptFailed' },
      { type: 'TaskDeadLettered', data: { reason: 'attempts_exhausted' } },
    ]);
    const again = redriven(4);
    expect(task.given(twice, gone(1), gone(2), third, deadLettered(3), again).state).toMatchObject({ agentsGone: 0 });
  });

  it('completes with the second', () => retrying.when(complete(2)).thenEvents(completed(2)));

  it('keeps the last checkpoint for the next attempt', () => {
    expect(task.given(submitted, progressed(1, 'page 7'), progressed(1), failed(1)).state).toMatchObject({
      status: 'open',
      attempt: 2,
      checkpoint: 'page 7',
    });
  });
});

describe('the retry budget', () => {
  it('is used up with the last allowed attempt', () => {
    const [lastFailure, letter, ...rest] = task.given(submitted, failed(1), failed(2)).when(fail(3)).events;
    expect(lastFailure?.data).toMatchObject({ attempt: 3 });
    expect(lastFailure?.data).not.toHaveProperty('retryAt');
    expect(letter).toMatchObject({ type: 'TaskDeadLettered', data: { reason: 'attempts_exhausted', attempts: 3 } });
    expect(rest).toEqual([]);
  });

  it('allows a retry before that', () =>
    expect(task.given(submitted, failed(1)).when(fail(2)).events).toMatchObject([
      { type: 'TaskAttemptFailed', data: { attempt: 2, retryAt: at(3_000) } },
    ]));

  it('allows no retry if it is a single attempt', () =>
    expect(
      task
        .given(withRetry({ maxAttempts: 1 }))
        .when(fail(1))
        .events.map(({ type }) => type),
    ).toEqual(['TaskAttemptFailed', 'TaskDeadLettered']));

  it('is full again after a redrive, and delays start again from the first', () => {
    const again = [submitted, failed(1), failed(2), failed(3, {}), deadLettered(3), redriven(4)];
    expect(task.given(...again).when(fail(4)).events).toMatchObject([{ data: { attempt: 4, retryAt: at(2_000) } }]);
    expect(task.given(...again, failed(4)).when(fail(5)).events).toMatchObject([{ data: { retryAt: at(3_000) } }]);
    expect(task.given(...again, failed(4), failed(5)).when(fail(6)).events).toMatchObject([
      { type: 'TaskAttemptFailed', data: { attempt: 6 } },
      { type: 'TaskDeadLettered', data: { reason: 'attempts_exhausted', attempts: 6 } },
    ]);
  });
});

describe('the delay before a retry', () => {
  const delayOf = (retry: Partial<RetryPolicy>, facts: Partial<FailAttempt> = {}, failures = 1): number => {
    const history = Array.from({ length: failures - 1 }, (_, index) => failed(index + 1));
    const [event] = task.given(withRetry({ maxAttempts: 10, ...retry }), ...history).when(fail(failures, facts)).events;
    return Date.parse((event as { data: { retryAt: string } }).data.retryAt) - Date.parse(at(1_000));
  };

  it('counts from the instant of the failure', () =>
    expect(delayOf({ kind: 'fixed', baseMs: 7_000, jitter: 0 }, { now: at(1_000) })).toBe(7_000));

  it('spreads evenly around the plain delay', () => {
    expect(delayOf({ baseMs: 1_000, jitter: 0.2 }, { random: 0 })).toBe(800);
    expect(delayOf({ baseMs: 1_000, jitter: 0.2 }, { random: 0.5 })).toBe(1_000);
    expect(delayOf({ baseMs: 1_000, jitter: 0.2 }, { random: 0.999_999 })).toBe(1_200);
  });

  it('grows with the failures of this budget', () =>
    expect([1, 2, 3].map((failures) => delayOf({ jitter: 0 }, {}, failures))).toEqual([1_000, 2_000, 4_000]));
});

describe('a task with a deadline', () => {
  const deadlineAt = at(60_000);
  const due = submittedWith({ deadlineAt });

  it('is dead-lettered when the deadline passes while it waits', () =>
    task
      .given(due)
      .when(expire(undefined))
      .thenEvents({
        type: 'TaskDeadLettered',
        data: {
          taskId: TASK,
          reason: 'deadline_passed',
          attempts: 0,
          error: DEADLINE_ERROR,
          deadLetteredAt: at(60_000),
        },
      }));

  it('has its attempt closed first when an agent holds it', () =>
    task
      .given(due, failed(1))
      .when(expire('anna'))
      .thenEvents(
        {
          type: 'TaskAttemptFailed',
          data: { taskId: TASK, attempt: 2, error: DEADLINE_ERROR, failedAt: at(60_000) },
        },
        {
          type: 'TaskDeadLettered',
          data: {
            taskId: TASK,
            reason: 'deadline_passed',
            attempts: 2,
            error: DEADLINE_ERROR,
            deadLetteredAt: at(60_000),
          },
        },
      ));

  it('ends with an unknown outcome when its agent must not be called twice and has begun; a late answer settles it', () => {
    const error = {
      ...DEADLINE_ERROR,
      message: 'the deadline of the task passed while its agent worked on it',
      outcomeUnknown: true as const,
    };
    const lost: TaskEvent = {
      type: 'TaskOutcomeUnknown',
      data: { taskId: TASK, attempt: 1, agentId: 'anna', error, occurredAt: at(60_000) },
    };
    task.given(due, started(1)).when(expire('anna')).thenEvents(lost);
    expect(task.given(due, started(1), lost).when(complete(1)).events).toMatchObject([{ type: 'TaskCompleted' }]);
  });

  it('continues before the deadline, whatever a timer says', () =>
    task
      .given(due)
      .when(expire('anna', at(59_999)))
      .thenNothing());

  it('continues when a redrive has removed the deadline', () =>
    task
      .given(due, deadLettered(0, 'deadline_passed'), redriven(2))
      .when(expire(undefined, at(120_000)))
      .thenNothing());

  it('ends at the new deadline that a redrive has set', () => {
    const moved = task.given(due, deadLettered(0, 'deadline_passed'), redriven(2, at(90_000)));
    moved.when(expire(undefined, at(89_999))).thenNothing();
    expect(moved.when(expire(undefined, at(90_000))).events).toMatchObject([{ data: { reason: 'deadline_passed' } }]);
  });
});

describe('a task without a deadline', () => {
  it('never expires', () =>
    task
      .given(submitted)
      .when(expire('anna', at(10 ** 10)))
      .thenNothing());
});

describe('a dead-lettered task', () => {
  const parked = task.given(submitted, failed(1, { error: HOPELESS }), deadLettered(1, 'not_retryable'));

  it('is redriven with the next attempt and everything that routing needs', () =>
    parked.when(redrive).thenEvents(redriven(2)));

  it('keeps its version range when redriven', () =>
    expect(
      task.given(submittedWith({ versionRange: '^2.0.0', priority: 1 }), failed(1, {}), deadLettered(1)).when(redrive)
        .events[0]?.data,
    ).toMatchObject({ versionRange: '^2.0.0', priority: 1 }));

  it('accepts a new deadline, in UTC', () =>
    parked
      .when({ ...redrive, deadlineAt: '2026-03-01T13:30:00+01:00' })
      .thenEvents(redriven(2, '2026-03-01T12:30:00.000Z')));

  it('is not redriven to a deadline that has passed', () =>
    parked
      .when({ ...redrive, deadlineAt: at(5_000) })
      .thenRejected({ reason: 'DeadlinePassed', deadlineAt: at(5_000) }));

  it('accepts nothing for its next attempt before it is redriven', () => {
    for (const command of [complete(2), fail(2), start(2), lose(2), report(2)])
      parked.when(command).thenRejected({ reason: 'TaskNotRunning', status: 'deadLettered' });
  });

  it('accepts nothing for its closed attempt', () =>
    parked.when(complete(1)).thenRejected({ reason: 'StaleAttempt', attempt: 1, current: 2 }));

  it('does not expire', () =>
    parked.when(expire(undefined)).thenRejected({ reason: 'TaskNotRunning', status: 'deadLettered' }));

  it('can be cancelled', () => parked.when(cancel).thenEvents(cancelled));

  it('is open again after a redrive', () =>
    task.given(submitted, failed(1, {}), deadLettered(1), redriven(2)).when(complete(2)).thenEvents(completed(2)));
});

describe('a task whose deadline passed before its attempt was closed', () => {
  const cutOff = [submittedWith({ deadlineAt: at(60_000) }), failed(1), deadLettered(1, 'deadline_passed')];

  it('does not reuse that attempt number, because an agent may have it', () =>
    task
      .given(...cutOff)
      .when(redrive)
      .thenEvents(redriven(3)));

  it('accepts no answer of that attempt, neither before nor after a redrive', () => {
    const stale = { reason: 'StaleAttempt', attempt: 2, current: 3 } as const;
    task
      .given(...cutOff)
      .when(complete(2))
      .thenRejected(stale);
    task
      .given(...cutOff, redriven(3))
      .when(complete(2))
      .thenRejected(stale);
  });

  it('has its whole budget after a redrive', () =>
    expect(task.given(...cutOff, redriven(3)).when(fail(3)).events).toMatchObject([
      { data: { attempt: 3, retryAt: at(2_000) } },
    ]));
});

describe('an indeterminate task', () => {
  const lost = task.given(submitted, started(1), unknown(1));

  it('is settled by the late completion of its attempt', () => lost.when(complete(1)).thenEvents(completed(1)));

  it.each([fail(1), start(1), lose(1), report(1)])('is not changed by a late $type', (command) =>
    lost.when(command).thenRejected({ reason: 'TaskNotRunning', status: 'indeterminate' }),
  );

  it('accepts no completion of another attempt', () =>
    lost.when(complete(2)).thenRejected({ reason: 'StaleAttempt', attempt: 2, current: 1 }));

  it('is redriven with a new attempt and a fresh budget', () => {
    lost.when(redrive).thenEvents(redriven(2));
    const again = task.given(withRetry({ maxAttempts: 2 }), started(1), unknown(1), redriven(2));
    expect(again.when(fail(2)).events).toMatchObject([{ data: { attempt: 2, retryAt: at(2_000) } }]);
  });

  it('accepts no late completion once it is redriven', () =>
    task
      .given(submitted, started(1), unknown(1), redriven(2))
      .when(complete(1))
      .thenRejected({ reason: 'StaleAttempt', attempt: 1, current: 2 }));

  it('can be cancelled', () => lost.when(cancel).thenEvents(cancelled));

  it('does not expire', () =>
    lost.when(expire('anna')).thenRejected({ reason: 'TaskNotRunning', status: 'indeterminate' }));
});

describe.each([
  { status: 'completed', end: completed(1) },
  { status: 'cancelled', end: cancelled },
])('a $status task', ({ status, end }) => {
  const over = task.given(submitted, end);

  it('is not cancelled', () => over.when(cancel).thenRejected({ reason: 'TaskNotCancellable', status }));
  it('is not redriven', () => over.when(redrive).thenRejected({ reason: 'TaskNotRedrivable', status }));
  it('does not expire', () => over.when(expire('anna')).thenRejected({ reason: 'TaskNotRunning', status }));
  it('is not submitted again', () => over.when(submit).thenRejected({ reason: 'TaskAlreadyExists' }));
  it.each(EVERY_ATTEMPT_COMMAND)('accepts no late $type', (command) =>
    over.when(command).thenRejected({ reason: 'TaskNotRunning', status }),
  );
});

describe('every event of the lifecycle', () => {
  const outcomes = [
    task.given().when({ ...submit, versionRange: '^1.0.0', deadlineAt: at(60_000), tags: ['a'] }),
    task.given(submitted).when(start(1)),
    task.given(submitted).when({ ...report(1), message: 'half way', checkpoint: { page: 7 } }),
    task.given(submitted).when(fail(1)),
    task.given(submitted).when(fail(1, { error: HOPELESS, cost: { currency: 'EUR', micros: 1 } })),
    task.given(submitted).when(lose(1)),
    task.given(submitted).when(complete(1)),
    task.given(submitted).when({ ...cancel, reason: 'why not' }),
    task.given(submittedWith({ deadlineAt: at(1) })).when(expire('anna')),
    task.given(submitted, failed(1, {}), deadLettered(1)).when({ ...redrive, deadlineAt: at(90_000) }),
  ];

  it.each(outcomes.flatMap(({ events }) => events))('$type fits its schema', ({ type, data }) =>
    expect(taskEvents[type].schema.parse(data)).toEqual(data),
  );
});
