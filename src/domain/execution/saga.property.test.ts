import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { BrokenBuilds, type Change } from '../../../test/support/saga/broken-build.ts';
import { SagaChecker } from '../../../test/support/saga/checker.ts';
import { type Build, SagaWorld } from '../../../test/support/saga/world.ts';
import { domainEvents } from '../events.ts';
import { executionDecider } from './decider.ts';
import type { ExecutionStreamEvent } from './events.ts';
import { evolveExecution } from './evolve.ts';
import { planCompensation } from './plan-compensation.ts';
import { initialExecution, type Running } from './state.ts';

/** More of them: `npm run campaign -- sagas`. */
const RUNS = Number(process.env['SAGA_RUNS'] ?? 5_000);
const build: Build = { decider: executionDecider, preview: planCompensation };

const seeds = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const counters = new Map<string, number>();
const count = (what: string, by: number): void => {
  counters.set(what, (counters.get(what) ?? 0) + by);
};

/** What can be seen of an execution, without what is shared with other states or compiled from the definition. */
const observable = ({ compiled: _, unitOf, steps, compensation, ...rest }: Running): unknown =>
  JSON.parse(
    JSON.stringify({
      ...rest,
      units: [...unitOf],
      steps: [...steps].map((step) => ({
        ...step,
        items: step.items && { ...step.items, units: [...step.items.units] },
      })),
      compensations: [...(compensation?.units ?? [])],
    }),
  );

const replayed = (log: readonly ExecutionStreamEvent[]): Running =>
  (JSON.parse(JSON.stringify(log)) as ExecutionStreamEvent[]).reduce(evolveExecution, initialExecution()) as Running;

const checkSchemas = (log: readonly ExecutionStreamEvent[]): void => {
  for (const { type, data } of log)
    expect(domainEvents[type].schema.safeParse(data), type).toMatchObject({ success: true });
};

const checkRun = (seed: number): void => {
  const world = new SagaWorld(seed, build).run();
  const checker = new SagaChecker().read(world.log);
  expect(checker.violations).toEqual([]);
  expect(observable(replayed(world.log))).toEqual(observable(world.state));
  if (seed % 20 === 0) checkSchemas(world.log);
  for (const [what, times] of checker.counters) count(what, times);
  for (const [reason, times] of world.refusals) count(`refused: ${reason}`, times);
};

/** Fewer than this in a run would mean that the property no longer gets there. */
const VISITED: Readonly<Record<string, number>> = {
  ExecutionCompleted: 1_000,
  ExecutionFailed: 300,
  ExecutionCancelled: 100,
  ExecutionCompensated: 500,
  ExecutionCompensationFailed: 150,
  ExecutionPaused: 100,
  ExecutionReopened: 100,
  CompensationHandedOver: 50,
  TaskOutcomeUnknown: 300,
  TaskCancelled: 300,
  'TaskCancelled, interrupted': 30,
  'aborting: step_failed, to be compensated': 500,
  'aborting: cancelled, to be compensated': 50,
  'aborting: cancelled': 50,
  'aborting: deadline_passed, to be compensated': 15,
  'aborting after the pivot': 40,
  'no way back after the pivot': 3,
  'pivot in doubt': 20,
  'compensates backward': 100,
  'compensates forward': 100,
  'compensates parallel': 100,
  'compensates selective': 80,
  'compensates cascade': 80,
  'compensates in doubt': 200,
  'compensated after parking': 100,
  'compensation redriven': 50,
  'sub-workflow compensated': 50,
  'compensation skipped': 60,
  'late step': 80,
  'late compensation': 30,
  'late, already compensated': 80,
  'step redriven': 20,
  list: 500,
  'empty list': 100,
  'skipped: condition': 300,
  'skipped: dependencies': 300,
  'skipped: person': 60,
  'step failed: EXPRESSION_FAILED': 15,
  'step failed: TOO_MANY_ITEMS': 20,
  'step failed: WAIT_TIMED_OUT': 20,
  'step failed: CHILD_FAILED': 30,
  'rests as failed': 80,
  'rests as compensation_failed': 8,
  'refused: StaleAttempt': 200,
  'refused: TaskNotRunning': 500,
  'refused: PivotPassed': 8,
};

describe(`any of ${RUNS.toLocaleString('en')} random sagas`, () => {
  it('keeps every invariant, whatever agents and people do', { timeout: 24 * RUNS }, () =>
    fc.assert(fc.property(seeds, checkRun), { numRuns: RUNS, endOnFailure: true }),
  );

  it.each([
    [1_054_987_594, 'a step completed after others that depend on it, because somebody skipped the one between them'],
  ])('keeps them where it once did not: seed %i, %s', (seed) => checkRun(seed));

  it.each(Object.entries(VISITED))('reaches the situation: %s', (what, atLeast) =>
    expect(counters.get(what) ?? 0).toBeGreaterThanOrEqual(atLeast),
  );
});

const PLAN = 'compensation/plan.ts';
const COMPENSABLE = 'execution/plan-compensation.ts';
const ADVANCE = 'execution/advance.ts';
const COMPENSATIONS = 'execution/compensations.ts';
const EVOLVE_STEPS = 'execution/evolve/steps.ts';
const EVOLVE_TASKS = 'execution/evolve/tasks.ts';
const EVOLVE_UNITS = 'execution/evolve/units.ts';
const START = 'execution/start-steps.ts';

/** `from`: the first seed that finds it when all are tried; where that is far, the search begins there. */
type Mistake = { readonly from?: number; readonly changes: readonly Change[] };

const MISTAKES: Readonly<Record<string, Mistake>> = {
  'compensates in the order of completion': {
    changes: [{ file: PLAN, from: 'inSequence(units.toReversed())', to: 'inSequence(units)' }],
  },
  'does not compensate a step in doubt': {
    changes: [{ file: COMPENSABLE, from: " || (uncertain && phase !== 'open')", to: '' }],
  },
  'assumes that an interrupted agent did nothing': {
    changes: [{ file: EVOLVE_UNITS, from: 'unit.uncertain || event.data.interrupted === true', to: 'unit.uncertain' }],
  },
  'compensates although the pivot has completed': {
    changes: [
      { file: COMPENSABLE, from: 'execution.pivotPassed || pivotInDoubt(execution)', to: 'pivotInDoubt(execution)' },
      { file: 'execution/abort.ts', from: '!pivotPassed && compiled', to: 'compiled' },
    ],
  },
  'compensates although the pivot may have taken effect': {
    changes: [
      { file: COMPENSABLE, from: 'execution.pivotPassed || pivotInDoubt(execution)', to: 'execution.pivotPassed' },
    ],
  },
  'starts steps while it aborts': {
    changes: [
      {
        file: ADVANCE,
        from: 'if (turn.state.abort === undefined) {\n    if (turn.state.paused)',
        to: 'if (turn.state.compensation === undefined && turn.state.openTasks > 0) {\n    if (turn.state.paused)',
      },
    ],
  },
  'starts an item twice': {
    changes: [
      {
        file: EVOLVE_TASKS,
        from: "next: after.phase === 'open' ? Math.max(before.items.next, item + 1) : before.items.next",
        to: 'next: 0',
      },
      { file: START, from: "phase === 'completed' || phase === 'open'", to: "phase === 'completed'" },
    ],
  },
  'starts a step when the first of its dependencies has ended': {
    changes: [{ file: EVOLVE_STEPS, from: 'waiting.missing === 1', to: 'waiting.missing >= 1' }],
  },
  'runs steps that are cut off': {
    changes: [{ file: START, from: 'return dependencies.length > 0;', to: 'return false;' }],
  },
  'compensates while agents still work': {
    changes: [{ file: ADVANCE, from: 'if (turn.state.openTasks > 0 || turn.state.openChildren > 0) return;', to: '' }],
  },
  'forgets, in a cascade, what depends on a step through one without a compensation': {
    from: 682,
    changes: [
      { file: PLAN, from: 'else for (const further of nearest.get(dependant) ?? []) found.add(further);', to: '' },
    ],
  },
  'leaves alone, in a cascade, what depends on dependencies of the failed step': {
    from: 935,
    changes: [
      { file: PLAN, from: 'for (const index of descendantsOf(plan, ancestor)) affected.add(index);', to: '{}' },
    ],
  },
  'goes on compensating past a failure that should stop it': {
    changes: [
      {
        file: COMPENSATIONS,
        from: "(this.#plan.goesOn && compensation.status === 'parked')",
        to: "compensation.status === 'parked'",
      },
    ],
  },
  'lets a late answer move a step behind its dependants': {
    from: 244,
    changes: [{ file: EVOLVE_UNITS, from: 'isLost(unit) ? unit.seq : seq', to: 'seq' }],
  },
  'does not let a late answer complete a list': {
    from: 3_734,
    changes: [
      { file: EVOLVE_TASKS, from: "step.phase === 'open' || step.phase === 'failed';", to: "step.phase === 'open';" },
    ],
  },
  'lets others go on while items are running': {
    from: 1_613,
    changes: [
      {
        file: START,
        from: "step.definition.onFailure === 'fail' || !hasOpenItems(turn.state.steps.get(step.index))",
        to: 'step.index >= 0',
      },
    ],
  },
  'accepts the answer of an attempt that is over': {
    changes: [
      {
        file: 'task/decide-attempt.ts',
        from: 'attempt === task.attempt ? undefined',
        to: 'attempt <= task.attempt ? undefined',
      },
    ],
  },
  'goes on with the items of a step that was skipped': {
    from: 1_779,
    changes: [
      {
        file: EVOLVE_STEPS,
        from: "phase === 'open' && items !== undefined && items.next",
        to: 'items !== undefined && items.next',
      },
    ],
  },
};

const isFoundBy = (broken: Build, seed: number): boolean => {
  try {
    return new SagaChecker().read(new SagaWorld(seed, broken).run().log).violations.length > 0;
  } catch {
    // A build that crashes is found out too.
    return true;
  }
};

const isFound = (broken: Build, from: number): boolean => {
  for (let seed = from; seed < from + RUNS; seed += 1) if (isFoundBy(broken, seed)) return true;
  return false;
};

describe('a broken build', () => {
  const builds = new BrokenBuilds();
  afterAll(() => builds.remove());

  it('differs from the original only by its changes', async () => {
    const same = await builds.with([]);
    for (const seed of [4_711, 4_712, 4_713])
      expect(new SagaWorld(seed, same).run().log).toEqual(new SagaWorld(seed, build).run().log);
  });

  it.each(Object.entries(MISTAKES))('that %s is found', { timeout: 120_000 }, async (_, { from = 1, changes }) => {
    const broken = await builds.with(changes);
    expect(isFound(broken, from)).toBe(true);
  });
});
