import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Dice } from '../../../test/support/saga/dice.ts';
import { type Build, SagaWorld } from '../../../test/support/saga/world.ts';
import { compileWorkflow, workflowOf } from '../workflow/compile.ts';
import { type TaskDefinition, WorkflowDefinition } from '../workflow/definition.ts';
import { executionDecider } from './decider.ts';
import { evolveExecution } from './evolve.ts';
import { migrationProblems } from './migration.ts';
import { planCompensation } from './plan-compensation.ts';
import { hasEnded, initialExecution, statusOf } from './state.ts';

/** More of them: `npm run campaign -- migrations`. */
const RUNS = Number(process.env['MIGRATION_RUNS'] ?? 1_000);
const build: Build = { decider: executionDecider, preview: planCompensation };

/** Names change hands, a dependency comes or goes, tasks are added, dropped or fail otherwise. */
const rollVersion = (dice: Dice, present: WorkflowDefinition, id: number) => {
  const ids = present.tasks.map((task) => task.id);
  const [one, other] = [dice.pick(ids), dice.pick(ids)];
  const dropped = dice.chance(0.3) ? dice.pick(ids) : undefined;
  const names: Record<string, string> = dice.chance(0.5) ? { [one]: other, [other]: one } : { [one]: `n${id}` };
  const nameOf = (name: string): string => names[name] ?? name;
  const changed = (task: TaskDefinition): TaskDefinition => ({
    ...task,
    id: nameOf(task.id),
    dependsOn: task.dependsOn.filter((before) => before !== dropped && dice.chance(0.95)).map(nameOf),
    onFailure: dice.chance(0.1) ? dice.pick(['fail', 'skip', 'continue'] as const) : task.onFailure,
  });
  const added = { id: `m${id}`, capability: 'work', dependsOn: dice.chance(0.5) ? [nameOf(dice.pick(ids))] : [] };
  const definition = WorkflowDefinition.safeParse({
    ...present,
    version: `1.0.${id}`,
    tasks: [...present.tasks.filter((task) => task.id !== dropped).map(changed), ...(dice.chance(0.5) ? [added] : [])],
    saga: { ...present.saga, select: { tasks: [], tags: [] } },
  });
  const mapping: Record<string, string | null> = { ...names };
  if (dropped !== undefined) mapping[dropped] = null;
  return definition.success && compileWorkflow(definition.data).ok
    ? { definition: definition.data, mapping }
    : undefined;
};

const counts = { moved: 0, refused: 0 };

const migrator = (seed: number) => {
  let versions = 0;
  return (world: SagaWorld, dice: Dice): void => {
    versions += 1;
    const next = rollVersion(dice, world.state.compiled.definition, versions);
    if (next === undefined) return;
    const digest = `${seed.toString(16)}f${versions.toString(16)}`.padStart(64, 'e');
    const workflow = { name: 'saga', version: next.definition.version, digest };
    const problems = migrationProblems(world.state, workflowOf(digest, next.definition), next.mapping);
    const moved = world.execute({ type: 'MigrateExecution', workflow, ...next, now: world.now() });
    expect(moved, problems.join('; ')).toBe(problems.length === 0);
    counts[moved ? 'moved' : 'refused'] += 1;
  };
};

describe(`any of ${RUNS.toLocaleString('en')} random executions that change their version on the way`, () => {
  it('moves exactly when the check said it would, runs to its end, and uses no id twice', {
    timeout: 120 * RUNS,
  }, () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (seed) => {
        const { log, state } = new SagaWorld(seed, build, migrator(seed)).run();
        expect(hasEnded(state) || state.status === 'compensation_failed', `rests as ${statusOf(state)}`).toBe(true);
        expect([state.openTasks, state.openChildren]).toEqual([0, 0]);
        const ids = log.flatMap((event) => (event.type === 'TaskSubmitted' ? [event.data.taskId] : []));
        expect(new Set(ids).size).toBe(ids.length);
        expect(log.reduce(evolveExecution, initialExecution())).toMatchObject({
          status: state.status,
          unfinished: state.unfinished,
          nextSeq: state.nextSeq,
          migrations: state.migrations,
        });
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
    expect(counts.moved).toBeGreaterThan(200);
    expect(counts.refused).toBeGreaterThan(100);
  });
});
