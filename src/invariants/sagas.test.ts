import { describe, expect, it } from 'vitest';
import { LogBuilder, type StepFacts, workflow } from '../../test/support/invariants-log.ts';
import type { WorkflowDefinition } from '../domain/workflow/definition.ts';
import { checkInvariants } from './invariants.ts';
import type { Sometimes } from './sometimes.ts';

const CHAIN = workflow({
  a: { compensable: true },
  b: { dependsOn: ['a'], compensable: true },
  c: { dependsOn: ['b'], compensable: true },
  d: { dependsOn: ['c'] },
});
const IN_EXECUTION = { stream: 'execution-acme.e' };
/** b and c depend on a, d on both. */
const DIAMOND = {
  a: { compensable: true },
  b: { dependsOn: ['a'], compensable: true },
  c: { dependsOn: ['a'], compensable: true },
  d: { dependsOn: ['b', 'c'], compensable: true },
};

const execution = (definition: WorkflowDefinition = CHAIN): LogBuilder =>
  new LogBuilder().registered('anna', 50).submitted('t0').assigned('t0→anna').completed('t0').begun(definition);

/** A saga whose last step has failed: all steps before it must be compensated. */
const aborted = (): LogBuilder => execution().did('a', 'b', 'c').broke('d').aborting({ unit: 'd' });
const compensating = (): LogBuilder => aborted().compensating('c', 'b', 'a');

const reported = (builder: LogBuilder, settled = false): string[] =>
  checkInvariants({ log: builder.events }, { settled }).violations.map(
    ({ invariant, message }) => `${invariant} ${message.replace('execution e: ', '')}`,
  );
const kinds = (builder: LogBuilder): string[] => [
  ...new Set(reported(builder).map((line) => line.split(' ')[0] as string)),
];
const seen = (builder: LogBuilder): Partial<Record<Sometimes, number>> => checkInvariants({ log: builder.events }).seen;

describe('an execution without faults', () => {
  const WAITS = workflow({
    nap: { delayMs: 10 },
    early: { waitFor: { kind: 'event', name: 'ping' } },
    late: { waitFor: { kind: 'event', name: 'pong' } },
    sub: { workflow: { name: 'other' } },
    each: { forEach: { items: 'input', maxItems: 9 } },
    maybe: { when: 'input', dependsOn: ['nap'] },
    may: { onFailure: 'continue' },
    after: { dependsOn: ['maybe', 'each', 'may', 'sub'] },
  });
  const child = { executionId: 'kid', name: 'other', input: null };
  const everyKind = (): LogBuilder =>
    execution(WAITS)
      .signalled('ping')
      .waits('nap')
      .waits('early', { kind: 'event', name: 'ping' })
      .stepDone('early')
      .waits('late', { kind: 'event', name: 'pong' })
      .waits('sub', { kind: 'workflow', child })
      .expanded('each', [1, 2])
      .begun(workflow({ only: {} }), { executionId: 'kid', parent: { executionId: 'e', unit: 'sub' } })
      .ended('Failed', { executionId: 'kid' })
      .did('each[0]', 'each[1]')
      .broke('may')
      .stepDone('nap')
      .stepSkipped('maybe')
      .paused()
      .signalled('pong')
      .stepDone('late')
      .resumed();

  it('may wait, run for a list, skip, tolerate a failure, pause and resume', () => {
    const stuck = everyKind().stepBroke('sub').aborting({ unit: 'sub' }).ended('Failed');
    expect(reported(stuck)).toEqual([]);
    expect(seen(stuck)).toMatchObject({
      'delay ended': 1,
      'event before its wait': 1,
      'event after its wait': 1,
      'sub-workflow failed its step': 1,
      'paused and resumed': 1,
      'execution failed': 2,
    });
  });

  it('compensates backwards, and ends', () => {
    const compensated = compensating().did('~c', '~b', '~a').ended('Compensated');
    expect(reported(compensated, true)).toEqual([]);
    expect(checkInvariants({ log: compensated.events }).counts).toMatchObject({
      executions: 1,
      executionsCompensated: 1,
    });
  });

  it('waits until a person retries or skips a compensation', () => {
    const parked = compensating().did('~c').broke('~b').compensationParked('b').compensationFailed('b');
    expect(reported(parked, true)).toEqual([]);
    expect(reported(parked.goesOn('~b').assigned('~b#2→anna').calledOff('~b').compensationParked('b'))).toEqual([]);
    expect(reported(parked.compensationSkipped('b').did('~a').ended('Compensated'))).toEqual([]);
  });

  it('runs again from where it failed', () => {
    const retried = execution(workflow({ a: {}, b: { dependsOn: ['a'] } }))
      .did('a')
      .broke('b')
      .aborting({ unit: 'b', compensate: false })
      .ended('Failed')
      .reopened('b')
      .goesOn('b')
      .assigned('b#2→anna')
      .done('b', 2)
      .ended('Completed');
    expect(reported(retried, true)).toEqual([]);
    expect(seen(retried)).toMatchObject({ 'execution reopened': 1, 'execution completed': 1 });
  });

  it('continues under another definition with other step names', () => {
    const next = workflow({ one: { compensable: true }, b: { dependsOn: ['one'], compensable: true } });
    const migrated = execution(workflow({ a: { compensable: true }, b: { dependsOn: ['a'], compensable: true } }))
      .did('a')
      .asked('b')
      .migrated(next, { a: 'one' })
      .assigned('b→anna')
      .gaveUp('b')
      .aborting({ unit: 'b' })
      .compensating('one')
      .did('~one')
      .ended('Compensated');
    expect(reported(migrated, true)).toEqual([]);
  });
});

describe('S3 and S4: the lifecycle of an execution and of its tasks', () => {
  const done = () =>
    execution(workflow({ a: {} }))
      .did('a')
      .ended('Completed');
  it.each<[string, LogBuilder, string[]]>([
    ['a second end', done().ended('Failed'), ['S3']],
    ['a pause after the end', done().paused(), ['S3']],
    ['a task after the end', done().asked('a', {}, 'again'), ['S3', 'S4']],
    ['a compensation after the end', done().compensationParked('a'), ['S3']],
    ['a second start', execution().begun(CHAIN), ['S4']],
    ['an event of an execution that never started', new LogBuilder().paused(), ['S4', 'L4']],
    ['a resumption without a pause', execution().resumed(), ['S4']],
    ['a second pause', execution().paused().paused(), ['S4']],
    ['a step that starts while it is paused', execution().paused().asked('a'), ['S4']],
    ['compensation before it aborts', execution().did('a').compensating('a'), ['S4']],
    ['a retry of an execution that has not failed', execution().reopened('a'), ['S4']],
    ['an end while an agent works', execution().asked('a').aborting().ended('Failed'), ['S4']],
    ['a step that is started twice', execution().asked('a').asked('a', {}, 'again'), ['S4']],
    ['a step that is started again after it completed', execution().did('a').asked('a', {}, 'again'), ['S4']],
    [
      'a wait that begins twice',
      execution(workflow({ nap: { delayMs: 1 } }))
        .waits('nap')
        .waits('nap'),
      ['S4'],
    ],
    ['a dead letter of its task', execution().asked('a').deadLettered('a', 'deadline_passed', 0, IN_EXECUTION), ['S4']],
    ['a task in another stream', execution().asked('a', { stream: 'task-acme.a' }), ['S4']],
    ['the failure of a task in its own stream', execution().submitted('t1').assigned('t1→anna').gaveUp('t1'), ['S4']],
  ])('is broken by %s', (_, broken, expected) => expect(kinds(broken)).toEqual(expected));
});

describe('S8: a step starts when its dependencies have ended well', () => {
  const loose = workflow({
    a: { onFailure: 'continue' },
    b: { onFailure: 'fail' },
    c: { dependsOn: ['a', 'b'] },
    each: { forEach: { items: 'input', maxItems: 9 } },
    last: { dependsOn: ['each'] },
    nap: { dependsOn: ['each'], delayMs: 1 },
    sub: { workflow: { name: 'other' } },
    wait: { waitFor: { kind: 'event', name: 'ping' } },
  });
  const child = { executionId: 'kid', name: 'other', input: null };
  const asking = () => execution(loose).waits('sub', { kind: 'workflow', child });
  const kid = (log: LogBuilder) =>
    log.begun(workflow({ only: {} }), { executionId: 'kid', parent: { executionId: 'e', unit: 'sub' } });

  it('is kept after a failure that is tolerated', () =>
    expect(reported(execution(loose).broke('a').did('b').asked('c'))).toEqual([]));

  it.each<[string, LogBuilder]>([
    ['a step before the one it depends on', execution().did('a').asked('c')],
    ['a step while the one it depends on is open', execution().asked('a').asked('b')],
    ['a step after a failure that is not tolerated', execution(loose).did('a').broke('b').asked('c')],
    ['a step before its list is done', execution(loose).expanded('each', [1, 2]).did('each[0]').asked('last')],
    ['a delay before its list is done', execution(loose).expanded('each', [1]).waits('nap')],
    ['an item that is not in the list', execution(loose).expanded('each', [1]).asked('each[1]')],
    ['an item before there is a list', execution(loose).asked('each[0]')],
    ['a skip by a condition that could not be evaluated yet', execution().stepSkipped('c')],
    ['a step that its definition does not have', execution().asked('x')],
    ['the end of a wait that never began', execution(loose).stepDone('sub')],
    ['an event that was never sent', execution(loose).waits('wait', { kind: 'event', name: 'ping' }).stepDone('wait')],
    ['an end while a step is missing', execution().did('a', 'b', 'c').ended('Completed')],
    ['a sub-workflow that no step requested', kid(execution(loose))],
    ['a sub-workflow that starts when nobody waits for it any more', kid(asking().aborting().stepBroke('sub'))],
    ['a sub-workflow joined before it ended', kid(asking()).stepDone('sub')],
    ['a sub-workflow joined that never started', asking().stepDone('sub')],
  ])('is broken by %s', (_, broken) => expect(kinds(broken)).toEqual(['S8']));

  it('is broken by a step with another output than its sub-workflow', () => {
    const empty = workflow({});
    const joined = (output: number) =>
      asking()
        .begun(empty, { executionId: 'kid', parent: { executionId: 'e', unit: 'sub' } })
        .ended('Completed', { executionId: 'kid', output: 7 })
        .stepDone('sub', output);
    expect(reported(joined(7))).toEqual([]);
    expect(kinds(joined(8))).toEqual(['S8']);
  });
});

describe('S11: every step that must be compensated is compensated once, and no other', () => {
  const cutOff = { outcomeUnknown: true } as const;
  const pivot = workflow({
    a: { compensable: true },
    point: { dependsOn: ['a'], pivot: true },
    b: { dependsOn: ['point'], compensable: true },
    c: { dependsOn: ['b'] },
  });
  const apart = workflow({ a: { compensable: true }, b: {} }, { strategy: 'cascade', scope: 'affected' });
  const atWork = (): LogBuilder => execution().asked('a').assigned('a→anna');

  it.each<[string, () => LogBuilder]>([
    ['a completed step', () => execution().did('a').broke('b').aborting({ unit: 'b' })],
    ['a step that may have had an effect', () => execution().broke('a', cutOff).aborting({ unit: 'a' })],
    ['a step with an unknown outcome', () => atWork().lostIn('a').aborting({ unit: 'a' })],
    ['a step that was interrupted', () => atWork().aborting().calledOff('a', true)],
    [
      'a step that an agent held when it was cancelled, whatever the event says',
      () => atWork().aborting().calledOff('a'),
    ],
    ['a step that completed while it aborted', () => atWork().aborting().done('a')],
  ])('requires the compensation of %s', (_, log) => {
    expect(reported(log().compensating('a'))).toEqual([]);
    expect(kinds(log().ended('Failed'))).toEqual(['S11']);
  });

  it.each<[string, () => LogBuilder]>([
    ['a step that certainly failed', () => execution().broke('a').aborting({ unit: 'a' })],
    ['a step that no agent got', () => execution().asked('a').aborting().calledOff('a')],
    ['steps before a pivot that completed', () => execution(pivot).did('a', 'point', 'b').broke('c').aborting()],
    ['steps before a pivot that may have completed', () => execution(pivot).did('a').broke('point', cutOff).aborting()],
    [
      'steps that the person who cancels keeps',
      () => execution().did('a').aborting({ reason: 'cancelled', compensate: false }),
    ],
    [
      'steps that are not selected',
      () => execution().did('a').broke('b').aborting({ unit: 'b', strategy: 'selective' }),
    ],
    [
      'steps that the failure does not affect',
      () => execution(apart).did('a').broke('b').aborting({ unit: 'b', strategy: 'cascade' }),
    ],
  ])('forbids the compensation of %s', (_, log) => {
    expect(reported(log().ended('Failed'))).toEqual([]);
    expect(kinds(log().compensating('a'))).toContain('S11');
  });

  it.each<[string, LogBuilder]>([
    ['a plan that omits a step', aborted().compensating('c', 'a')],
    ['a plan with a step too many', execution().did('a').broke('b').aborting().compensating('b', 'a')],
    ['a compensation that is not in the plan', compensating().did('~c', '~b', '~a').asked('~d')],
    ['an end before everything is compensated', compensating().did('~c', '~b').ended('Compensated')],
    [
      'a parked compensation that is forgotten',
      compensating().did('~c', '~b').broke('~a').compensationParked('a').ended('Compensated'),
    ],
    ['a compensation that is skipped but has not failed', compensating().compensationSkipped('c')],
    ['compensation_failed without a failed compensation', compensating().compensationFailed('c')],
    ['a compensation that is parked after it completed', compensating().did('~c').compensationParked('c')],
    ['a parked compensation that is not in the plan', compensating().compensationParked('d')],
  ])('is broken by %s', (_, broken) => expect(kinds(broken)).toEqual(['S11']));
});

describe('S12: the order of compensation', () => {
  const failed = (strategy: 'cascade' | 'forward' | 'parallel') =>
    execution(workflow({ ...DIAMOND, e: { dependsOn: ['d'] } }, { strategy }))
      .did('a', 'b', 'c', 'd')
      .broke('e')
      .aborting({ unit: 'e', strategy })
      .compensatingBy(strategy, 'a', 'b', 'c', 'd');

  it.each<[string, LogBuilder]>([
    ['backward, an older one before a newer one', compensating().asked('~b')],
    ['backward, two at a time', compensating().asked('~c').asked('~b')],
    ['backward, past a parked one', compensating().broke('~c').compensationParked('c').asked('~b')],
    ['cascade, before what depends on it', failed('cascade').did('~d').asked('~a')],
    ['forward, a newer one before an older one', failed('forward').asked('~b')],
  ])('is broken by %s', (_, broken) => expect(kinds(broken)).toEqual(['S12']));

  it.each<[string, LogBuilder]>([
    ['backward', compensating().did('~c', '~b', '~a')],
    ['cascade, independent ones side by side', failed('cascade').did('~d').asked('~b').asked('~c')],
    ['forward', failed('forward').did('~a', '~b', '~c', '~d')],
    ['parallel', failed('parallel').did('~b', '~a', '~d', '~c')],
  ])('is kept %s', (_, kept) => expect(reported(kept)).toEqual([]));

  it('passes a parked one if the definition says so', () => {
    const continues = workflow(
      { a: { compensable: true }, b: { dependsOn: ['a'], compensable: true } },
      { onCompensationFailure: 'continue' },
    );
    const log = execution(continues).did('a', 'b').aborting({ reason: 'cancelled' }).compensating('b', 'a');
    expect(reported(log.broke('~b').compensationParked('b').did('~a').compensationFailed('b'))).toEqual([]);
  });
});

describe('S13: no step forward once it aborts, no way back past a pivot', () => {
  it.each<[string, LogBuilder]>([
    [
      'a step that is started',
      execution(workflow({ a: {}, b: {} }))
        .broke('a')
        .aborting({ unit: 'a' })
        .asked('b'),
    ],
    [
      'a wait that begins',
      execution(workflow({ a: {}, n: { delayMs: 1 } }))
        .broke('a')
        .aborting()
        .waits('n'),
    ],
    ['a step that goes on', execution().broke('a').aborting({ unit: 'a' }).goesOn('a')],
    ['a step that is to be tried again', execution().asked('a').assigned('a→anna').aborting().tried('a')],
    ['a compensation while an agent works', execution().did('a').asked('b').aborting().compensating('a')],
  ])('is broken by %s', (_, broken) => expect(kinds(broken)).toEqual(['S13']));

  it('is kept once it has been reopened', () =>
    expect(
      reported(
        execution(workflow({ a: {} }))
          .broke('a')
          .aborting()
          .ended('Failed')
          .reopened('a')
          .goesOn('a'),
      ),
    ).toEqual([]));
});

describe('L1: every execution ends, or waits for a person', () => {
  it.each<[string, LogBuilder, string]>([
    ['executes', execution(workflow({})), 'executing'],
    ['is paused', execution(workflow({})).paused(), 'paused'],
    ['aborts', execution(workflow({})).aborting(), 'aborting'],
    ['compensates', aborted().compensating('c', 'b', 'a'), 'compensating'],
  ])('is broken by one that %s', (_, log, phase) =>
    expect(reported(log, true)).toEqual([
      `L1 execution e did not end: it is ${phase}, open tasks: none, waiting steps: none`,
    ]),
  );

  const child = { executionId: 'e', name: 'flow', input: null };
  /** `e` is a sub-workflow of `mother`, and has begun to compensate. */
  const family = (more: Readonly<Record<string, StepFacts>> = {}): LogBuilder =>
    new LogBuilder()
      .registered('anna', 50)
      .submitted('t0')
      .assigned('t0→anna')
      .completed('t0')
      .begun(workflow({ sub: { workflow: { name: 'flow' } }, ...more }), { executionId: 'mother' })
      .waits('sub', { executionId: 'mother', kind: 'workflow', child })
      .begun(CHAIN, { parent: { executionId: 'mother', unit: 'sub' } })
      .did('a', 'b', 'c')
      .broke('d')
      .aborting({ unit: 'd' })
      .compensating('c', 'b', 'a');
  const failing = (log: LogBuilder): LogBuilder => log.broke('~c').compensationParked('c').compensationFailed('c');

  it('is kept by one that waits for a sub-workflow which waits for a person', () =>
    expect(reported(failing(family()), true)).toEqual([]));

  it.each<[string, LogBuilder, string[]]>([
    ['its sub-workflow still compensates', family(), ['mother', 'e']],
    [
      'its sub-workflow was compensated in the end',
      failing(family()).compensationSkipped('c').did('~b', '~a').ended('Compensated'),
      ['mother'],
    ],
    [
      'it waits for something else as well',
      failing(family({ nap: { delayMs: 1 } }).waits('nap', { executionId: 'mother', kind: 'delay', dueAt: '' })),
      ['mother'],
    ],
    [
      'it waits for another sub-workflow, which never started',
      failing(
        family({ other: { workflow: { name: 'flow' } } }).waits('other', {
          executionId: 'mother',
          kind: 'workflow',
          child: { ...child, executionId: 'never' },
        }),
      ),
      ['mother'],
    ],
  ])('is broken by its parent when %s', (_, log, expected) => {
    const found = reported(log, true).map((line) => /^L1 execution (\S+) did not end/.exec(line)?.[1]);
    expect(found).toEqual(expected);
  });
});

describe('S1 and S18: calls about executions', () => {
  const answered = { tenant: 'acme', scope: 'StartExecution', idempotencyKey: 'k', outcome: 'ok', body: '' } as const;
  const check = (...calls: readonly object[]) =>
    checkInvariants(
      { log: execution().events, calls: calls.map((facts) => ({ ...answered, ...facts })) },
      { settled: false },
    ).violations.map(({ invariant }) => invariant);

  it('are kept by an execution that the log has', () =>
    expect(check({ executionId: 'e' }, { executionId: 'e' })).toEqual([]));
  it('are broken by one that it does not have', () => expect(check({ executionId: 'x' })).toEqual(['S1']));
  it('are broken by two answers to one key', () =>
    expect(check({ executionId: 'e' }, { executionId: 'e', position: 1n })).toEqual(['S18']));
});

describe('S14: the read model of executions is the fold of the log', () => {
  const check = (log: LogBuilder, ...rows: readonly (readonly [status: string, debtsOpen: number, id?: string])[]) =>
    checkInvariants(
      {
        log: log.events,
        views: [
          {
            name: 'executions',
            checkpoint: log.last.position,
            executions: rows.map(([status, debtsOpen, executionId = 'e']) => ({
              tenant: 'acme',
              executionId,
              status,
              debtsOpen,
            })),
          },
        ],
      },
      { settled: false },
    ).violations.map(({ invariant }) => invariant);

  it.each<[string, LogBuilder, number]>([
    ['executing', execution(), 0],
    ['paused', execution().paused(), 0],
    ['executing', execution().aborting({ reason: 'cancelled', compensate: false }), 0],
    ['compensating', aborted(), 0],
    ['compensating', compensating().did('~c'), 2],
    ['compensation_failed', compensating().broke('~c').compensationParked('c').compensationFailed('c'), 3],
    ['compensated', compensating().did('~c', '~b', '~a').ended('Compensated'), 0],
  ])('is kept while it is %s', (status, log, debts) => expect(check(log, [status, debts])).toEqual([]));

  it('is broken by another status, another number of compensations, and a row too many, too few or twice', () => {
    expect(check(execution(), ['paused', 0])).toEqual(['S14']);
    expect(check(compensating(), ['compensating', 2])).toEqual(['S14']);
    expect(check(execution(), ['executing', 0], ['executing', 0, 'x'])).toEqual(['S14']);
    expect(check(execution())).toEqual(['S14']);
    expect(check(execution(), ['executing', 0], ['executing', 0])).toEqual(['S14']);
  });
});
