import { type PlannedCompensation, pivotInDoubt, planCompensation } from '../../../domain/compensation/plan.ts';
import type { Running } from '../../../domain/execution/state.ts';
import { unitKeyOf } from '../../../domain/execution/unit.ts';
import type { CompensationStrategy } from '../../../domain/workflow/definition.ts';
import { countDebts, type DebtFilter, listDebts } from '../../../projections/executions/debts.ts';
import { DEBT_STATUSES, DESK_STATUSES, type DebtRow } from '../../../projections/executions/table.ts';
import type { Builder } from '../kit/builder.ts';
import { withoutNulls } from '../kit/command-field.ts';
import { type AddConnection, AFTER, AT_LEAST, FIRST, readConnection } from '../kit/connection.ts';
import { type Enums, enumValues } from '../kit/enums.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import type { TaskTypes } from '../tasks/tasks.ts';
import { named, stepsOf } from './execution-steps.ts';

/** What would be undone if the execution were aborted now. */
export type CompensationPreview = {
  readonly strategy: CompensationStrategy;
  readonly undos: readonly PlannedCompensation[];
  readonly mayBeOwed: readonly string[];
  readonly message: string;
};

/** Units that agents or sub-workflows work on: whether they are owed an undo is known when they end. */
const undecided = (execution: Running): string[] =>
  stepsOf(execution).flatMap(({ step, state }) => {
    if (step.compensation === undefined || state.reused) return [];
    if (state.items === undefined) return state.phase === 'open' || state.waiting?.kind === 'workflow' ? [step.id] : [];
    return [...state.items.units].flatMap(({ phase }, item) =>
      phase === 'open' ? [unitKeyOf({ stepId: step.id, item, compensates: false })] : [],
    );
  });

const messageOf = (execution: Running, undos: readonly PlannedCompensation[], open: readonly string[]): string => {
  if (execution.compensation) return 'compensation has begun: see compensationDebts for what it comes to';
  if (execution.pivotPassed) return 'nothing: a pivot has completed, there is no way back';
  if (pivotInDoubt(execution)) return 'nothing: nobody knows whether the pivot took effect, so there is no way back';
  const undone = undos.length === 0 ? 'nothing is owed so far' : `${undos.length} to be undone`;
  return open.length === 0 ? undone : `${undone}; ${named(open)} may be owed too, which is known once they end`;
};

/** Exactly what the decider would plan on this state. */
export const previewCompensation = (
  execution: Running,
  strategy: CompensationStrategy = execution.compiled.definition.saga.strategy,
): CompensationPreview => {
  const undos = planCompensation(execution, strategy, execution.abort?.unit);
  const isPossible = !execution.pivotPassed && !pivotInDoubt(execution);
  const mayBeOwed = isPossible ? undecided(execution) : [];
  return { strategy, undos, mayBeOwed, message: messageOf(execution, undos, mayBeOwed) };
};

export const addCompensationTypes = (
  builder: Builder,
  enums: Enums,
  { AttemptError }: SharedTypes,
  { Task, loadTask }: TaskTypes,
) => {
  const DebtStatus = builder.enumType('CompensationDebtStatus', {
    description:
      'PARKED failed for good and waits for a person; HANDED_OVER: somebody sees to it, it is still owed; SKIPPED: a person has taken it on.',
    values: enumValues(DEBT_STATUSES),
  });
  const CompensationDebt = builder.objectRef<DebtRow>('CompensationDebt').implement({
    description: 'An undo that an execution owes, or owed.',
    fields: (t) => ({
      executionId: t.exposeID('executionId'),
      workflow: t.exposeString('workflow'),
      unit: t.exposeString('unit', { description: 'What is undone: a step, or an item of one.' }),
      strategy: t.exposeString('strategy'),
      status: t.expose('status', { type: DebtStatus }),
      handedOverTo: t.exposeString('handedOverTo', { nullable: true }),
      note: t.exposeString('note', { nullable: true }),
      error: t.expose('error', { type: AttemptError, nullable: true, description: 'Why it was parked last.' }),
      reason: t.exposeString('reason', { nullable: true, description: 'Why it was skipped.' }),
      parkedAt: t.expose('parkedAt', { type: 'DateTime', nullable: true }),
      closedAt: t.expose('closedAt', { type: 'DateTime', nullable: true }),
      position: t.expose('updatedPosition', { type: 'Position', description: 'Of the last event of this debt.' }),
      taskId: t.exposeID('taskId', { nullable: true }),
      task: t.field({
        type: Task,
        nullable: true,
        description: 'The task that undoes it, with its attempts.',
        resolve: ({ taskId }, _, context) => (taskId === null ? null : loadTask(context, taskId)),
      }),
    }),
  });
  const PlannedUndoType = builder.objectRef<PlannedCompensation>('PlannedUndo').implement({
    fields: (t) => ({
      unit: t.exposeString('unit'),
      after: t.stringList({
        description: 'Units that are undone before.',
        resolve: ({ after }) => [...after],
      }),
    }),
  });
  const Preview = builder.objectRef<CompensationPreview>('CompensationPreview').implement({
    description: 'What would be undone if the execution were aborted now, and in which order.',
    fields: (t) => ({
      strategy: t.expose('strategy', { type: enums.CompensationStrategy }),
      undos: t.field({ type: [PlannedUndoType], resolve: ({ undos }) => undos }),
      mayBeOwed: t.stringList({
        description: 'Units under way that have a compensation: whether they are owed one is known when they end.',
        resolve: ({ mayBeOwed }) => [...mayBeOwed],
      }),
      message: t.exposeString('message'),
    }),
  });
  return { CompensationDebt, DebtStatus, Preview };
};

export type CompensationTypes = ReturnType<typeof addCompensationTypes>;

export const addCompensationDesk = (
  builder: Builder,
  { CompensationDebt, DebtStatus }: CompensationTypes,
  addConnection: AddConnection,
): void => {
  const DebtFilterInput = builder.inputType('CompensationDebtFilter', {
    fields: (t) => ({
      statuses: t.field({ type: [DebtStatus], description: 'PARKED and HANDED_OVER when absent.' }),
      workflow: t.string(),
      executionId: t.id(),
      handedOverTo: t.string(),
      errorCode: t.string(),
    }),
  });
  const DebtConnection = addConnection('CompensationDebt', CompensationDebt);
  builder.queryFields((t) => ({
    compensationDebts: t.field({
      type: DebtConnection,
      description: 'The desk: undos of all executions that only a person can close. Newest compensation first.',
      args: {
        filter: t.arg({ type: DebtFilterInput }),
        first: t.arg.int(FIRST),
        after: t.arg.string(AFTER),
        atLeast: t.arg(AT_LEAST),
      },
      resolve: (_, args, context) => {
        const { pool, tenant } = context.reads;
        const filter = { statuses: DESK_STATUSES, ...withoutNulls(args.filter ?? {}) } satisfies DebtFilter;
        return readConnection(
          context,
          args,
          (page) => listDebts(pool, tenant, filter, page),
          () => countDebts(pool, tenant, filter),
        );
      },
    }),
  }));
};
