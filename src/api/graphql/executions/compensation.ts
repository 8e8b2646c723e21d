import type { PlannedCompensation } from '../../../domain/compensation/plan.ts';
import type { CompensationPreview } from '../../../domain/execution/compensation-preview.ts';
import { COMPENSATION_STATES } from '../../../domain/execution/compensation-state.ts';
import {
  type CompensationFilter,
  countCompensations,
  listCompensations,
} from '../../../projections/executions/compensations.ts';
import { type CompensationRow, PARKED_STATUSES } from '../../../projections/executions/table.ts';
import { previewText } from '../../../wording/executions.ts';
import type { Builder } from '../kit/builder.ts';
import type { AddConnection } from '../kit/connection.ts';
import { type Enums, enumValues } from '../kit/enums.ts';
import { addList } from '../kit/list.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import type { TaskTypes } from '../tasks/types.ts';

const addCompensationDebt = (builder: Builder, { AttemptError }: SharedTypes, { Task, loadTask }: TaskTypes) => {
  const DebtStatus = builder.enumType('CompensationDebtStatus', {
    description:
      'PARKED: it failed permanently and waits for a person. HANDED_OVER: a person takes care of it; it is still needed. SKIPPED: a person decided that it is not needed, or did it by hand.',
    values: enumValues(COMPENSATION_STATES),
  });
  const CompensationDebt = builder.objectRef<CompensationRow>('CompensationDebt').implement({
    description: 'A compensation that an execution owes, or owed.',
    fields: (t) => ({
      executionId: t.exposeID('executionId'),
      workflow: t.exposeString('workflow'),
      unit: t.exposeString('unit', { description: 'What is compensated: a step, or an item of one.' }),
      strategy: t.exposeString('strategy'),
      status: t.expose('status', { type: DebtStatus }),
      handedOverTo: t.exposeString('handedOverTo', { nullable: true }),
      note: t.exposeString('note', { nullable: true }),
      error: t.expose('error', { type: AttemptError, nullable: true, description: 'Why it was parked last.' }),
      reason: t.exposeString('reason', { nullable: true, description: 'Why it was skipped.' }),
      parkedAt: t.expose('parkedAt', { type: 'DateTime', nullable: true }),
      closedAt: t.expose('closedAt', { type: 'DateTime', nullable: true }),
      position: t.expose('updatedPosition', {
        type: 'Position',
        description: 'Position of the last event of this compensation.',
      }),
      taskId: t.exposeID('taskId', { nullable: true }),
      task: t.field({
        type: Task,
        nullable: true,
        description: 'The task that compensates it, with its attempts.',
        resolve: ({ taskId }, _, context) => (taskId === null ? null : loadTask(context, taskId)),
      }),
    }),
  });
  return { CompensationDebt, DebtStatus };
};

const addPreviewType = (builder: Builder, enums: Enums) => {
  const PlannedUndoType = builder.objectRef<PlannedCompensation>('PlannedUndo').implement({
    fields: (t) => ({
      unit: t.exposeString('unit'),
      after: t.stringList({
        description: 'Units that are compensated before it.',
        resolve: ({ after }) => [...after],
      }),
    }),
  });
  return builder.objectRef<CompensationPreview>('CompensationPreview').implement({
    description: 'What would be compensated if the execution were aborted now, and in which order.',
    fields: (t) => ({
      strategy: t.expose('strategy', { type: enums.CompensationStrategy }),
      undos: t.field({ type: [PlannedUndoType], resolve: ({ undos }) => undos }),
      mayBeOwed: t.stringList({
        description: 'Units that still run and have a compensation: whether it is owed is known when they end.',
        resolve: ({ mayBeOwed }) => [...mayBeOwed],
      }),
      message: t.string({ resolve: previewText }),
    }),
  });
};

export const addCompensationTypes = (builder: Builder, enums: Enums, shared: SharedTypes, tasks: TaskTypes) => ({
  ...addCompensationDebt(builder, shared, tasks),
  Preview: addPreviewType(builder, enums),
});

export type CompensationTypes = ReturnType<typeof addCompensationTypes>;

export const addCompensationQueries = (
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
  addList(builder, addConnection, {
    name: 'compensationDebts',
    description: 'Compensations of all executions that only a person can close. Newest first.',
    of: 'CompensationDebt',
    node: CompensationDebt,
    filter: DebtFilterInput,
    filterOf: (input) => ({ statuses: PARKED_STATUSES, ...input }) satisfies CompensationFilter,
    list: listCompensations,
    count: countCompensations,
  });
};
