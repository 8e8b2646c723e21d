import { describe, expect, it } from 'vitest';
import { LogBuilder } from '../../test/support/invariants-log.ts';
import type { StoredEvent } from '../eventstore/event-store.ts';
import { type ClientCall, checkInvariants, type Evidence, type TaskView } from './invariants.ts';
import { SOMETIMES, SometimesCounters } from './sometimes.ts';

/** One agent and a task that it completes: the least that proves something. */
const log = (): LogBuilder =>
  new LogBuilder().registered('anna', 2).submitted('t0').assigned('t0→anna').completed('t0');

type Reported = [invariant: string, message: string];
const reported = (
  evidence: Evidence | LogBuilder,
  expectations: Parameters<typeof checkInvariants>[1] = {},
): Reported[] => {
  const { violations } = checkInvariants(
    evidence instanceof LogBuilder ? { log: evidence.events } : evidence,
    expectations,
  );
  return violations.map(({ invariant, message }) => [invariant, message]);
};
const invariantsOf = (...args: Parameters<typeof reported>): string[] => [
  ...new Set(reported(...args).map(([invariant]) => invariant)),
];
/** For logs that stop before everything has ended. */
const UNSETTLED = { settled: false };

/** Every course that a task can take. */
const everyWay = (): LogBuilder =>
  log()
    .put('cluster-acme.cluster', { type: 'ClusterCreated', data: { clusterId: 'c', createdAt: 'x' } })
    .registered('bert', 1)
    .put('pool-acme.default', { type: 'PoolWriterElected', data: { pool: 'default', writerId: 'w1', electedAt: 'x' } })
    .submitted('retried')
    .assigned('retried→anna')
    .progressed('retried')
    .failed('retried')
    .assigned('retried#2→bert')
    .completed('retried', 2, 'bert')
    .submitted('parked')
    .assigned('parked→anna')
    .parked('parked')
    .submitted('redriven')
    .assigned('redriven→anna')
    .parked('redriven')
    .redriven('redriven', 2)
    .assigned('redriven#2→anna')
    .completed('redriven', 2)
    .submitted('lost')
    .assigned('lost→anna')
    .started('lost')
    .lost('lost')
    .submitted('settled')
    .assigned('settled→anna')
    .lost('settled')
    .completed('settled')
    .submitted('lostAndRedriven')
    .assigned('lostAndRedriven→anna')
    .lost('lostAndRedriven')
    .redriven('lostAndRedriven', 2)
    .assigned('lostAndRedriven#2→anna')
    .completed('lostAndRedriven', 2)
    .submitted('cutOff')
    .deadLettered('cutOff', 'deadline_passed', 0)
    .redriven('cutOff', 2)
    .assigned('cutOff#1→anna', 'cutOff#2→anna')
    .completed('cutOff', 2)
    .submitted('timedOut')
    .assigned('timedOut→anna')
    .failed('timedOut', 1, undefined)
    .cancelled('timedOut')
    .submitted('cancelledParked')
    .assigned('cancelledParked→anna')
    .parked('cancelledParked')
    .cancelled('cancelledParked')
    .submitted('cancelled')
    .cancelled('cancelled')
    .assigned('cancelled→anna')
    .put('plan-acme.p', { type: 'PlanDrawn', data: {} });

describe('a run without faults', () => {
  it('has no violation, whatever course its tasks took', () => {
    const { violations, counts } = checkInvariants({ log: everyWay().events });
    expect(violations).toEqual([]);
    expect(counts).toEqual({
      events: everyWay().events.length,
      tasks: 11,
      completed: 6,
      cancelled: 3,
      parked: 4,
      failed: 0,
      indeterminate: 3,
      redriven: 3,
      attemptsFailed: 5,
      lateCompletions: 1,
      assignments: 15,
      voidAssignments: 2,
      writersElected: 1,
      executions: 0,
      executionsCompleted: 0,
      executionsFailed: 0,
      executionsCancelled: 0,
      executionsCompensated: 0,
      compensationsFailed: 0,
      skipped: 1,
      calls: 0,
      unjudgedCalls: 0,
      agentCalls: 0,
      views: 0,
      violations: 0,
    });
  });

  it('has none at any earlier position', () => {
    const { events } = everyWay();
    for (let end = 4; end <= events.length; end += 1)
      expect(reported({ log: events.slice(0, end) }, UNSETTLED)).toEqual([]);
  });
});

describe('a log that is not in order', () => {
  it('is refused', () => {
    const { events } = log();
    expect(() => checkInvariants({ log: [...events].reverse() })).toThrow('the log is not in order');
  });
});

const call = (facts: Partial<ClientCall>): ClientCall => ({
  tenant: 'acme',
  scope: 'SubmitTask',
  outcome: 'ok',
  ...facts,
});

describe('S1: what was accepted is in the log', () => {
  const { events } = log().submitted('t1', { commandId: 'c1' }).cancelled('t1');
  const check = (...calls: ClientCall[]) => reported({ log: events, calls });

  it('is kept', () =>
    expect(
      check(call({ commandId: 'c1' }), call({ taskId: 't1' }), call({ taskId: 't9', outcome: 'unknown' })),
    ).toEqual([]));

  it('is broken by an acknowledged command that the log does not have', () =>
    expect(check(call({ commandId: 'c9', idempotencyKey: 'k' }))).toEqual([
      ['S1', 'SubmitTask k was accepted, but the log does not have it'],
    ]));

  it('is broken by an acknowledged task that the log does not have', () =>
    expect(check(call({ taskId: 't9' }))).toEqual([
      ['S1', 'SubmitTask t9 was accepted, but the log does not have it'],
    ]));

  it('is broken by a command that is there, but in another tenant', () =>
    expect(check(call({ commandId: 'c1', tenant: 'umbrella' }))).toHaveLength(1));

  it('counts calls that name nothing', () =>
    expect(checkInvariants({ log: events, calls: [call({})] }).counts).toMatchObject({ calls: 1, unjudgedCalls: 1 }));
});

describe('S2: what was refused is not in the log', () => {
  const { events } = log().submitted('t1', { commandId: 'c1' }).cancelled('t1');
  const refused = call({ commandId: 'c1', outcome: 'fail' });

  it('is kept', () =>
    expect(reported({ log: events, calls: [call({ commandId: 'c9', outcome: 'fail' })] })).toEqual([]));

  it('is kept when the refused call repeated one that was accepted, or whose answer was lost', () => {
    for (const outcome of ['ok', 'unknown'] as const)
      expect(reported({ log: events, calls: [call({ commandId: 'c1', outcome }), refused] })).toEqual([]);
  });

  it('is broken by a refused command that is there', () => {
    expect(reported({ log: events, calls: [refused] })).toEqual([
      ['S2', 'SubmitTask c1 was refused, but the log has it'],
    ]);
    expect(invariantsOf({ log: events, calls: [call({ taskId: 't1', outcome: 'fail' })] })).toEqual(['S2']);
  });
});

describe('S3: a task ends once, and nothing follows', () => {
  it.each<[string, LogBuilder]>([
    ['a second completion', log().completed('t0')],
    ['a cancellation after completion', log().cancelled('t0')],
    ['a completion after cancellation', log().submitted('t1').assigned('t1→anna').cancelled('t1').completed('t1')],
    ['a retry after completion', log().failed('t0')],
    ['a dead letter after completion', log().deadLettered('t0', 'deadline_passed')],
    ['a redrive after completion', log().redriven('t0', 2)],
    ['progress after completion', log().progressed('t0')],
  ])('is broken by %s', (_, broken) => expect(invariantsOf(broken)).toEqual(['S3']));

  it('reports where it is broken', () => {
    const broken = log().cancelled('t0');
    expect(checkInvariants({ log: broken.events }).violations).toEqual([
      { invariant: 'S3', message: 'task t0 was completed, but TaskCancelled follows', position: broken.last.position },
    ]);
  });
});

describe('S4: every step is legal', () => {
  const open = () => log().submitted('t1').assigned('t1→anna');
  it.each<[string, LogBuilder]>([
    ['an event of a task that was never submitted', log().progressed('t9')],
    ['a second submission', open().submitted('t1')],
    ['a redrive of an open task', open().redriven('t1', 2)],
    ['a completion of a parked task', open().parked('t1').completed('t1')],
    ['a failure of an indeterminate task', open().lost('t1').failed('t1')],
    ['a dead letter of an indeterminate task', open().lost('t1').deadLettered('t1', 'attempts_exhausted')],
    ['a second start of one attempt', open().started('t1').started('t1')],
    ['a dead letter while the attempt is open', open().deadLettered('t1', 'attempts_exhausted')],
    ['a second dead letter', open().parked('t1').deadLettered('t1', 'deadline_passed')],
  ])('is broken by %s', (_, broken) => expect(invariantsOf(broken, UNSETTLED)).toEqual(['S4']));
});

describe('S5: attempts are assigned in order, each once', () => {
  const retried = () => log().registered('bert').submitted('t1').assigned('t1→anna').failed('t1');
  it.each<[string, LogBuilder]>([
    ['an assignment before the submission', log().assigned('t1→anna').submitted('t1')],
    ['an attempt that is not due yet', retried().assigned('t1#3→anna')],
    ['the same attempt twice', retried().assigned('t1#2→anna').assigned('t1#2→bert')],
    ['the ledger of another pool', log().submitted('t1').assignedIn('other', 't1→anna')],
    [
      'a redrive that uses an attempt again',
      log().submitted('t1').assigned('t1→anna').deadLettered('t1', 'deadline_passed').redriven('t1', 1),
    ],
    [
      'a redrive that skips an attempt number',
      log().submitted('t1').assigned('t1→anna').parked('t1').redriven('t1', 3),
    ],
  ])('is broken by %s', (_, broken) => expect(invariantsOf(broken, UNSETTLED)).toEqual(['S5']));

  it('is not broken by an assignment that is void', () => {
    const late = retried().assigned('t1#1→anna').cancelled('t1').assigned('t1#2→anna');
    expect(reported(late)).toEqual([]);
  });
});

describe('S6: only the current attempt, and the agent that has it, writes the outcome', () => {
  const retried = () => log().registered('bert').submitted('t1').assigned('t1→anna').failed('t1').assigned('t1#2→bert');
  it.each<[string, LogBuilder]>([
    ['the completion of an attempt that had failed', retried().completed('t1', 1, 'anna')],
    ['the failure of an attempt that had failed', retried().failed('t1', 1, 'anna')],
    ['the unknown outcome of an attempt that had failed', retried().lost('t1', 1, 'anna')],
    ['the completion of a future attempt', retried().completed('t1', 3, 'bert')],
    ['the completion by another agent', retried().completed('t1', 2, 'anna')],
    ['a completion of an attempt that no agent was given', log().submitted('t1').completed('t1')],
    ['a late completion by another agent', retried().lost('t1', 2, 'bert').completed('t1', 2, 'anna')],
    ['progress of an attempt that had failed', retried().progressed('t1', 1)],
  ])('is broken by %s', (_, broken) => expect(invariantsOf(broken, UNSETTLED)).toEqual(['S6']));

  const journal = (facts: object = {}) => ({
    tenant: 'acme',
    agentId: 'anna',
    taskId: 't0',
    attempt: 1,
    at: 'x',
    ...facts,
  });

  it('is kept by an agent that is called for its own attempts, however often', () =>
    expect(reported({ log: log().events, journals: [journal(), journal()] })).toEqual([]));

  it.each([{ attempt: 2 }, { agentId: 'bert' }, { taskId: 't9' }, { tenant: 'umbrella' }])(
    'is broken by a call that was never assigned: %o',
    (facts) => expect(invariantsOf({ log: log().events, journals: [journal(facts)] })).toEqual(['S6']),
  );
});

describe('S7: no agent holds more than its limit, at any position', () => {
  const pair = () => log().registered('bert', 1).submitted('t1').submitted('t2');

  it('may be broken for a moment only, and is reported with that moment', () => {
    const broken = pair().assigned('t1→bert', 't2→bert');
    const { position } = broken.last;
    broken.completed('t1', 1, 'bert').completed('t2', 1, 'bert');
    expect(checkInvariants({ log: broken.events }).violations).toEqual([
      { invariant: 'S7', message: 'bert holds 2 attempts, its limit is 1', position },
    ]);
  });

  it.each<[string, (broken: LogBuilder) => LogBuilder]>([
    ['a completion', (b) => b.completed('t1', 1, 'bert')],
    ['a failure', (b) => b.failed('t1', 1, 'bert')],
    ['an unknown outcome', (b) => b.lost('t1', 1, 'bert')],
    ['a cancellation', (b) => b.cancelled('t1')],
    ['a dead letter', (b) => b.parked('t1', 1, 'bert')],
    ['a deadline', (b) => b.deadLettered('t1', 'deadline_passed', 0)],
  ])('is kept when %s comes between', (_, release) =>
    expect(reported(release(pair().assigned('t1→bert')).assigned('t2→bert'), UNSETTLED)).toEqual([]),
  );

  it('counts what an agent holds when it registers again', () => {
    const again = pair()
      .assigned('t1→bert')
      .put('agent-acme.bert', { type: 'AgentDeregistered', data: { agentId: 'bert' } });
    expect(invariantsOf(again.registered('bert', 1).assigned('t2→bert'), UNSETTLED)).toEqual(['S7']);
  });

  it('is broken by an assignment to an agent that never registered', () =>
    expect(invariantsOf(log().submitted('t1').assigned('t1→ghost'), UNSETTLED)).toEqual(['S7']));

  it('counts no slot for a void assignment', () =>
    expect(reported(pair().cancelled('t1').assigned('t1→bert', 't2→bert'), UNSETTLED)).toEqual([]));

  it('gives a decision made before the limit was lowered some time to arrive, but no more', () => {
    const lowered = () =>
      log().registered('bert', 2).submitted('t1').submitted('t2').assigned('t1→bert').registered('bert', 1);
    expect(reported(lowered().assigned('t2→bert'), UNSETTLED)).toEqual([]);
    const later = lowered();
    later.nowMs += 60_000;
    expect(invariantsOf(later.assigned('t2→bert'), UNSETTLED)).toEqual(['S7']);
    expect(invariantsOf(lowered().assigned('t2→bert'), { ...UNSETTLED, limitGraceMs: 1 })).toEqual(['S7']);
  });

  it('applies a raised limit at once', () =>
    expect(reported(pair().assigned('t1→bert').registered('bert', 2).assigned('t2→bert'), UNSETTLED)).toEqual([]));

  it('keeps tenants apart', () => {
    const other = pair().registered('bert', 5, {}, { tenant: 'umbrella' }).assigned('t1→bert', 't2→bert');
    expect(invariantsOf(other, UNSETTLED)).toEqual(['S7']);
  });
});

describe('S9: a command is carried out once', () => {
  const commandId = 'c1';
  it('is kept by several events of one append', () =>
    expect(reported(log().submitted('t1').assigned('t1→anna').parked('t1'))).toEqual([]));

  it.each<[string, LogBuilder]>([
    [
      'the same command later in its stream',
      log().submitted('t1', { commandId }).assigned('t1→anna').progressed('t1').progressed('t1', 1, { commandId }),
    ],
    ['the same command in another stream', log().submitted('t1', { commandId }).submitted('t2', { commandId })],
    [
      'the same event twice in one append',
      log().submitted('t1').progressed('t1', 1, { commandId }).progressed('t1', 1, { commandId }),
    ],
  ])('is broken by %s', (_, broken) => expect(invariantsOf(broken, UNSETTLED)).toEqual(['S9']));
});

describe('S10: an event id is used once', () => {
  it('is broken by a second event with the same id, wherever it is', () =>
    expect(reported(log().submitted('t1', { id: 'e' }).submitted('t2', { id: 'e' }), UNSETTLED)).toEqual([
      ['S10', 'event id e is used twice'],
    ]));
});

describe('S17: a stream holds events of its tenant only', () => {
  it('is broken by an event of another', () =>
    expect(invariantsOf(log().put('plan-acme.p', { type: 'PlanDrawn', data: {} }, { tenant: 'umbrella' }))).toEqual([
      'S17',
    ]));
});

describe('S14: a read model is the fold of the log up to its checkpoint', () => {
  const builder = everyWay();
  const { events } = builder;
  const head = builder.last.position;
  const FINAL: Record<string, [status: string, attempt: number, failures: number]> = {
    t0: ['completed', 1, 0],
    retried: ['completed', 2, 1],
    parked: ['dead_lettered', 1, 1],
    redriven: ['completed', 2, 1],
    lost: ['indeterminate', 1, 0],
    settled: ['completed', 1, 0],
    lostAndRedriven: ['completed', 2, 0],
    cutOff: ['completed', 2, 0],
    timedOut: ['cancelled', 2, 1],
    cancelledParked: ['cancelled', 1, 1],
    cancelled: ['cancelled', 1, 0],
  };
  const rowsOf = (rows: typeof FINAL) =>
    Object.entries(rows).map(([taskId, [status, attempt, failures]]) => ({
      tenant: 'acme',
      taskId,
      status,
      attempt,
      failures,
    }));
  const view = (facts: Partial<TaskView> = {}): TaskView => ({
    name: 'tasks',
    checkpoint: head,
    rows: rowsOf(FINAL),
    ...facts,
  });
  const check = (...views: TaskView[]): Reported[] => reported({ log: events, views });

  it('is kept', () => expect(check(view())).toEqual([]));

  it('is compared at the position of the checkpoint, not at the end', () => {
    const at = (index: number, rows: typeof FINAL) =>
      view({ checkpoint: (events[index] as StoredEvent).position, rows: rowsOf(rows) });
    expect(
      check(
        at(0, {}),
        at(1, { t0: ['ready', 1, 0] }),
        at(2, { t0: ['assigned', 1, 0] }),
        at(3, { t0: ['completed', 1, 0] }),
        view(),
      ),
    ).toEqual([]);
    expect(check(at(1, { t0: ['completed', 1, 0] }))).toEqual([
      ['S14', 'view tasks at 32: task t0 is completed, the log says ready'],
    ]);
    expect(check(view({ checkpoint: undefined, rows: [] }))).toEqual([]);
  });

  it.each<[string, typeof FINAL]>([
    ['a status that lags behind', { ...FINAL, parked: ['ready', 1, 1] }],
    ['a failure that was counted twice', { ...FINAL, retried: ['completed', 2, 2] }],
    ['an attempt that is not the last', { ...FINAL, redriven: ['completed', 1, 1] }],
    ['a task that does not exist', { ...FINAL, ghost: ['ready', 1, 0] }],
    ['a task that is missing', Object.fromEntries(Object.entries(FINAL).slice(1))],
  ])('is broken by %s', (_, rows) => {
    expect(check(view({ rows: rowsOf(rows) }))).toHaveLength(1);
    expect(check(view({ rows: rowsOf(rows) }))[0]?.[0]).toBe('S14');
  });

  it('is broken by a task with two rows', () =>
    expect(check(view({ rows: [...rowsOf(FINAL), ...rowsOf(FINAL).slice(0, 1)] }))).toEqual([
      ['S14', `view tasks at ${head}: task t0 has two rows`],
    ]));

  describe('S15: a checkpoint', () => {
    it('is broken beyond the head of the log', () =>
      expect(check(view({ checkpoint: head + 1n }))).toEqual([
        ['S15', `view tasks is at ${head + 1n}, beyond the head of the log at ${head}`],
      ]));

    it('is broken when it goes back, unless the view was rebuilt', () => {
      const start = { checkpoint: undefined, rows: [] };
      expect(check(view(), view(start))).toEqual([['S15', `view tasks went back from ${head} to undefined`]]);
      expect(check(view(), view({ ...start, rebuilt: true }), view())).toEqual([]);
      expect(check(view(), view({ ...start, name: 'copy' }))).toEqual([]);
    });

    it('is broken when the log has another event there', () => {
      expect(check(view({ checkpointHash: builder.last.metadata.hash }))).toEqual([]);
      expect(check(view({ checkpointHash: 'f'.repeat(64) }))[0]?.[0]).toBe('S15');
    });
  });
});

describe('S18: one key, one body, one answer', () => {
  const { events } = log().submitted('t1', { commandId: 'c1', fingerprint: 'f1' }).cancelled('t1');
  const answered = (facts: Partial<ClientCall>) =>
    call({ idempotencyKey: 'k', commandId: 'c1', taskId: 't1', position: 80n, body: 'b1', ...facts });
  const check = (...calls: ClientCall[]) => invariantsOf({ log: events, calls });

  it('is kept by the same answer, and by a refusal of another body', () => {
    expect(check(answered({}), answered({}), answered({ body: 'b2', outcome: 'fail' }))).toEqual([]);
    expect(
      check(
        answered({}),
        answered({ scope: 'SubmitTask/other', body: 'b2' }),
        answered({ idempotencyKey: 'k2', body: 'b2' }),
      ),
    ).toEqual([]);
  });

  it.each([{ taskId: 't0' }, { position: 96n }, { body: 'b2' }])('is broken by another answer or body: %o', (facts) =>
    expect(check(answered({}), answered(facts))).toEqual(['S18']),
  );

  it('is broken by one command recorded with two bodies', () => {
    const commandId = 'c1';
    const twice = log()
      .submitted('t1', { commandId, fingerprint: 'f1' })
      .progressed('t1', 1, { commandId, fingerprint: 'f2' });
    expect(invariantsOf(twice, UNSETTLED)).toEqual(['S18']);
  });
});

describe('S22: the hash chain of each stream', () => {
  const tampered = (index: number, change: (event: StoredEvent) => StoredEvent): LogBuilder => {
    const builder = log().submitted('t1').progressed('t1').cancelled('t1');
    builder.events[index] = change(builder.events[index] as StoredEvent);
    return builder;
  };

  it.each<[string, LogBuilder]>([
    ['altered data', tampered(5, (event) => ({ ...event, data: { ...(event.data as object), percent: 99 } }))],
    ['altered metadata', tampered(5, (event) => ({ ...event, metadata: { ...event.metadata, actor: 'mallory' } }))],
    ['another id', tampered(5, (event) => ({ ...event, id: 'another' }))],
    [
      'a hash of its own',
      tampered(5, (event) => ({ ...event, metadata: { ...event.metadata, hash: 'f'.repeat(64) } })),
    ],
    [
      'a chain that begins elsewhere',
      tampered(4, (event) => ({ ...event, metadata: { ...event.metadata, prevHash: 'f'.repeat(64) } })),
    ],
  ])('is broken by %s', (_, broken) => expect(invariantsOf(broken)).toEqual(['S22']));

  it('is broken by an event that is missing', () => {
    const builder = log().submitted('t1').progressed('t1').cancelled('t1');
    builder.events.splice(5, 1);
    expect(reported(builder)).toEqual([
      ['S22', 'TaskCancelled at revision 2 of task-acme.t1 comes where revision 1 is expected'],
      ['S22', 'TaskCancelled at revision 2 of task-acme.t1 does not carry the hash of the event before it'],
    ]);
  });
});

describe('S25: an agent is called as often as it allows', () => {
  const journal = (facts: object = {}) => ({
    tenant: 'acme',
    agentId: 'anna',
    taskId: 't1',
    attempt: 1,
    at: 'x',
    ...facts,
  });
  const check = (
    delivery: 'at_most_once' | 'effectively_once' | 'at_least_once',
    ...calls: ReturnType<typeof journal>[]
  ) => {
    const builder = log()
      .registered('anna', 2, { delivery })
      .submitted('t1')
      .assigned('t1→anna')
      .failed('t1')
      .assigned('t1#2→anna')
      .completed('t1', 2);
    return invariantsOf({ log: builder.events, journals: calls });
  };

  it('is broken by a second call of an attempt that may be called once', () => {
    expect(check('at_most_once', journal(), journal({ attempt: 2 }))).toEqual([]);
    expect(check('at_most_once', journal(), journal())).toEqual(['S25']);
    expect(check('at_least_once', journal(), journal())).toEqual([]);
  });

  it('is broken by a second effect of a task whose agent promises one', () => {
    const twice = [journal({ applied: true }), journal({ attempt: 2, applied: true })];
    expect(check('effectively_once', journal({ applied: true }), journal({ attempt: 2, applied: false }))).toEqual([]);
    expect(check('effectively_once', ...twice)).toEqual(['S25']);
    expect(check('at_least_once', ...twice)).toEqual([]);
  });
});

describe('L1: every accepted task ends or is parked', () => {
  it.each<[string, LogBuilder, string]>([
    ['waits', log().submitted('t1'), 'task t1 did not end: attempt 1 waits'],
    ['is with an agent', log().submitted('t1').assigned('t1→anna'), 'task t1 did not end: attempt 1 is with anna'],
    [
      'waits again',
      log().submitted('t1').assigned('t1→anna').parked('t1').redriven('t1', 2),
      'task t1 did not end: attempt 2 waits',
    ],
    [
      'waits for one that was cancelled',
      log()
        .submitted('t1')
        .cancelled('t1')
        .submitted('t2', { waitsFor: ['t1'] }),
      'task t2 did not end: attempt 1 waits for t1',
    ],
    [
      'waits for one that has completed',
      log().submitted('t2', { waitsFor: ['t0'] }),
      'task t2 did not end: attempt 1 waits for t0',
    ],
  ])('is broken by a task that %s', (_, broken, message) => {
    expect(reported(broken)).toEqual([['L1', message]]);
    expect(reported(broken, UNSETTLED)).toEqual([]);
  });
});

describe('a task that depends on others', () => {
  const parked = () =>
    log()
      .submitted('t1')
      .assigned('t1→anna')
      .parked('t1')
      .submitted('t2', { waitsFor: ['t1'] });

  it('may wait for one that is parked, and so may those that wait for it', () =>
    expect(reported(parked().submitted('t3', { waitsFor: ['t2'] }))).toEqual([]));

  it('runs once it is unblocked', () =>
    expect(
      reported(
        log()
          .submitted('t2', { waitsFor: ['t0'] })
          .unblocked('t2')
          .assigned('t2→anna')
          .completed('t2'),
      ),
    ).toEqual([]));

  it.each<[string, LogBuilder, string]>([
    ['is unblocked too early', parked().unblocked('t2'), 'S4'],
    [
      'is unblocked twice',
      log()
        .submitted('t2', { waitsFor: ['t0'] })
        .unblocked('t2')
        .unblocked('t2'),
      'S4',
    ],
    ['is assigned before', parked().assigned('t2→anna'), 'S5'],
  ])('breaks a rule when it %s', (_, broken, rule) => expect(invariantsOf(broken, UNSETTLED)).toEqual([rule]));
});

describe('L4: a run proves something', () => {
  it('is broken by an empty log', () =>
    expect(reported({ log: [] })).toEqual([
      ['L4', 'the log is empty'],
      ['L4', '0 tasks completed, at least 1 are expected'],
    ]));

  it('is broken by too few completed tasks', () => {
    expect(reported(log(), { minCompleted: 2 })).toEqual([['L4', '1 tasks completed, at least 2 are expected']]);
    expect(reported(new LogBuilder().submitted('t1').cancelled('t1'))).toHaveLength(1);
  });

  it('is broken by a situation that never occurred', () => {
    const sometimes = new SometimesCounters(['append conflict retried', 'duplicate callback'] as const);
    sometimes.hit('append conflict retried');
    expect(reported({ log: log().events, sometimes })).toEqual([['L4', 'never happened: duplicate callback']]);
  });

  it('counts situations that the log itself shows', () => {
    const shown = [
      'assignment void when appended',
      'parked then redriven',
      'outcome unknown settled by a late answer',
      'unknown event type skipped',
    ] as const;
    expect(reported({ log: everyWay().events, sometimes: new SometimesCounters(shown) })).toEqual([]);
    expect(reported({ log: log().events, sometimes: new SometimesCounters(shown) })).toHaveLength(4);
  });
});

describe('counters of situations', () => {
  it('add up over runs', () => {
    const [one, two] = [new SometimesCounters(SOMETIMES), new SometimesCounters(SOMETIMES)];
    one.hit('duplicate callback');
    two.hit('duplicate callback', 2);
    one.merge(two);
    expect([one.count('duplicate callback'), one.missing.length]).toEqual([3, SOMETIMES.length - 1]);
  });

  it('refuse a name that was not declared', () =>
    expect(() => new SometimesCounters(['a']).hit('b' as 'a')).toThrow('no such counter: b'));
});

describe('a broken run', () => {
  it('is reported in part and counted in full', () => {
    const broken = log();
    for (let n = 0; n < 80; n += 1) broken.progressed('t0');
    const { violations, counts } = checkInvariants({ log: broken.events });
    expect([violations.length, counts.violations]).toEqual([50, 80]);
  });
});

describe('a long log', () => {
  it('is checked in time proportional to its length', { timeout: 60_000 }, () => {
    const builder = new LogBuilder().registered('anna', 10_000);
    for (let n = 0; n < 5_000; n += 1)
      builder.submitted(`t${n}`).assigned(`t${n}→anna`).failed(`t${n}`).assigned(`t${n}#2→anna`).completed(`t${n}`, 2);
    const calls = Array.from({ length: 5_000 }, (_, n) => call({ taskId: `t${n}`, idempotencyKey: `k${n}` }));
    const startedMs = performance.now();
    const { violations, counts } = checkInvariants({ log: builder.events, calls });
    expect([violations, counts.events]).toEqual([[], 25_001]);
    // Takes well under 2 s; the margin is for a busy machine. Quadratic behaviour would take minutes.
    expect(performance.now() - startedMs).toBeLessThan(20_000);
  });
});
