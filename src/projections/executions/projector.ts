import type { ExecutionEvent, TimeSpent } from '../../domain/execution/events.ts';
import { compensatedBy, isCompensation } from '../../domain/execution/unit.ts';
import { idIn } from '../../domain/ids.ts';
import type { TaskEvent } from '../../domain/task/events.ts';
import { instant, instantOrNull } from '../instant.ts';
import type { Emit, Fold, Handled, Handler, Projector } from '../projector.ts';
import {
  type CompensationRow,
  compensationDebtsTable,
  type ExecutionRow,
  executionPayloadsTable,
  executionsTable,
  type OpenCompensations,
} from './table.ts';

type Of<Type extends ExecutionEvent['type']> = Extract<ExecutionEvent, { type: Type }>;
type TaskOf<Type extends TaskEvent['type']> = Extract<TaskEvent, { type: Type }>;
type ExecutionChange = (execution: ExecutionRow, emit: Emit) => Partial<ExecutionRow> | undefined;

const shownStatus = ({ phase, pausedAt }: Pick<ExecutionRow, 'phase' | 'pausedAt'>): ExecutionRow['status'] =>
  pausedAt !== null && (phase === 'executing' || phase === 'compensating') ? 'paused' : phase;

const changeExecution = (
  fold: Fold,
  { tenant, position, stored }: Handled,
  executionId: string,
  change: ExecutionChange,
): void =>
  fold.change(executionsTable, { tenant, executionId }, (execution, emit) => {
    const changes = execution && change(execution, emit);
    if (execution === undefined || changes === undefined) return undefined;
    const next = { ...execution, ...changes, updatedAt: instant(stored.metadata.at), updatedPosition: position };
    next.status = shownStatus(next);
    return next;
  });

/** The execution whose stream holds an event of a task; undefined for a stand-alone task. */
const executionOf = ({ tenant, stored }: Handled): string | undefined => idIn('execution', tenant, stored.stream);

/** Columns of an end: an execution that continues loses them. */
const NOT_ENDED = {
  endedAt: null,
  durationMs: null,
  agentMs: null,
  waitMs: null,
  overheadMs: null,
  error: null,
} satisfies Partial<ExecutionRow>;

const ended = (
  phase: ExecutionRow['phase'],
  at: string,
  { durationMs, agentMs, waitMs, overheadMs }: TimeSpent,
): Partial<ExecutionRow> => ({ phase, endedAt: instant(at), durationMs, agentMs, waitMs, overheadMs });

const started: Handler<Of<'ExecutionStarted'>> = ({ tenant, position, data, stored }, fold) => {
  const { executionId, workflow, definition, input, tags, parent, forkedFrom } = data;
  const reused = forkedFrom?.reused ?? [];
  const countOf = (wanted: string): number => reused.filter(({ status }) => status === wanted).length;
  fold.put(executionsTable, {
    tenant,
    executionId,
    workflow: workflow.name,
    version: workflow.version,
    digest: workflow.digest,
    status: 'executing',
    phase: 'executing',
    pausedAt: null,
    pauseReason: null,
    abortReason: null,
    cancelReason: null,
    tags,
    parentExecutionId: parent?.executionId ?? null,
    parentStep: parent?.unit ?? null,
    forkedFrom: forkedFrom?.executionId ?? null,
    forkedRevision: forkedFrom?.revision ?? null,
    startedAt: instant(data.startedAt),
    updatedAt: instant(stored.metadata.at),
    deadlineAt: instantOrNull(data.deadlineAt),
    stepsTotal: definition.tasks.length,
    stepsCompleted: countOf('completed'),
    stepsFailed: countOf('failed'),
    stepsSkipped: countOf('skipped'),
    itemsExtra: 0,
    ...NOT_ENDED,
    compensationStrategy: null,
    compensationPosition: null,
    debtsOpen: 0,
    debtsParked: 0,
    undos: null,
    actor: stored.metadata.actor,
    correlationId: stored.metadata.$correlationId,
    position,
    updatedPosition: position,
  });
  fold.put(executionPayloadsTable, { tenant, executionId, kind: 'input', payload: input, position });
};

const expanded: Handler<Of<'StepExpanded'>> = (event, fold) => {
  const { executionId, items } = event.data;
  changeExecution(fold, event, executionId, ({ stepsTotal, stepsCompleted, itemsExtra }) =>
    items.length === 0
      ? { stepsCompleted: stepsCompleted + 1 }
      : { stepsTotal: stepsTotal + items.length - 1, itemsExtra: itemsExtra + items.length - 1 },
  );
};

const aborting: Handler<Of<'ExecutionAborting'>> = (event, fold) => {
  const { executionId, reason, comment, compensate, error } = event.data;
  changeExecution(fold, event, executionId, ({ pausedAt, pauseReason }) => ({
    ...NOT_ENDED,
    phase: compensate ? 'compensating' : 'executing',
    // A cancelled execution must not stay paused on its way to the end.
    ...(reason === 'step_failed' ? { pausedAt, pauseReason } : { pausedAt: null, pauseReason: null }),
    abortReason: reason,
    cancelReason: comment ?? null,
    error: error ?? null,
  }));
};

const compensationOf = (
  execution: ExecutionRow,
  unit: string,
  change: Pick<CompensationRow, 'status' | 'updatedPosition'> & Partial<CompensationRow>,
): CompensationRow => ({
  tenant: execution.tenant,
  executionId: execution.executionId,
  unit,
  workflow: execution.workflow,
  strategy: execution.compensationStrategy ?? 'backward',
  taskId: null,
  handedOverTo: null,
  note: null,
  error: null,
  reason: null,
  parkedAt: null,
  closedAt: null,
  position: execution.compensationPosition ?? change.updatedPosition,
  ...change,
});

const compensationStarted: Handler<Of<'CompensationStarted'>> = (event, fold) => {
  const { position, data } = event;
  const { executionId, strategy, plan } = data;
  changeExecution(fold, event, executionId, (execution, emit) => {
    const changes = {
      phase: 'compensating',
      compensationStrategy: strategy,
      compensationPosition: position,
      // A plan that is too long for one append comes in parts.
      debtsOpen: execution.undos === null ? plan.length : execution.debtsOpen + plan.length,
      undos: execution.undos ?? { running: {}, parked: [] },
    } as const satisfies Partial<ExecutionRow>;
    const compensating = { ...execution, ...changes };
    for (const { unit } of plan)
      emit.put(
        compensationDebtsTable,
        compensationOf(compensating, unit, { status: 'owed', updatedPosition: position }),
      );
    return changes;
  });
};

const changeCompensation = (
  fold: Fold,
  { tenant, position, data }: Handled<Extract<ExecutionEvent, { data: { unit: string } }>>,
  change: (compensation: CompensationRow) => Partial<CompensationRow>,
): void =>
  fold.change(
    compensationDebtsTable,
    { tenant, executionId: data.executionId, unit: data.unit },
    (compensation) => compensation && { ...compensation, ...change(compensation), updatedPosition: position },
  );

/** The compensations under way without those of a unit: neither parked nor running under an earlier task. */
const withoutUnit = ({ running, parked }: OpenCompensations, unit: string): OpenCompensations => ({
  running: Object.fromEntries(Object.entries(running).filter(([, of]) => of !== unit)),
  parked: parked.filter((other) => other !== unit),
});

/** A compensation starts, or is retried by a person. The end of its task names only the task, so the row notes the unit. */
const unitCompensationStarted = (
  fold: Fold,
  event: Handled<TaskOf<'TaskSubmitted'> | TaskOf<'TaskRedriven'>>,
): void => {
  const { tenant, position, data } = event;
  const { taskId, executionId, unit: key } = data;
  if (key === undefined || executionId === undefined || !isCompensation(key)) return;
  const unit = compensatedBy(key);
  changeExecution(fold, event, executionId, ({ phase, undos }) => {
    const { running, parked } = withoutUnit(undos ?? { running: {}, parked: [] }, unit);
    return {
      phase: phase === 'compensation_failed' ? 'compensating' : phase,
      undos: { running: { ...running, [taskId]: unit }, parked },
      debtsParked: parked.length,
    };
  });
  fold.change(
    compensationDebtsTable,
    { tenant, executionId, unit },
    (compensation) =>
      compensation && { ...compensation, status: 'running' as const, taskId, updatedPosition: position },
  );
};

const taskCompleted: Handler<TaskOf<'TaskCompleted'>> = (event, fold) => {
  const executionId = executionOf(event);
  if (executionId === undefined) return;
  const { position, data } = event;
  changeExecution(fold, event, executionId, (execution, emit) => {
    const { undos, stepsCompleted, debtsOpen } = execution;
    if (undos === null) return { stepsCompleted: stepsCompleted + 1 };
    const unit = undos.running[data.taskId];
    // A late answer of a step after compensation has started: it changes no count.
    if (unit === undefined) return undefined;
    const closed = {
      status: 'completed',
      taskId: data.taskId,
      closedAt: instant(data.completedAt),
      updatedPosition: position,
    } as const;
    emit.put(compensationDebtsTable, compensationOf(execution, unit, closed));
    const left = withoutUnit(undos, unit);
    return { undos: left, debtsOpen: debtsOpen - 1, debtsParked: left.parked.length };
  });
};

const taskFailed: Handler<TaskOf<'TaskFailed'>> = (event, fold) => {
  const executionId = executionOf(event);
  if (executionId === undefined) return;
  changeExecution(fold, event, executionId, ({ undos, stepsFailed }) =>
    undos === null ? { stepsFailed: stepsFailed + 1 } : undefined,
  );
};

const compensationParked: Handler<Of<'CompensationParked'>> = (event, fold) => {
  const { executionId, unit, error, parkedAt } = event.data;
  changeExecution(fold, event, executionId, ({ undos }) => {
    const { running = {}, parked = [] } = undos ?? {};
    const waiting = parked.includes(unit) ? parked : [...parked, unit];
    return { undos: { running, parked: waiting }, debtsParked: waiting.length };
  });
  changeCompensation(fold, event, ({ handedOverTo }) => ({
    status: handedOverTo === null ? 'parked' : 'handed_over',
    error,
    parkedAt: instant(parkedAt),
  }));
};

/** A sub-workflow is compensated: no task of this execution does that. */
const compensationWaiting: Handler<Of<'CompensationWaiting'>> = (event, fold) => {
  const { executionId, unit } = event.data;
  changeExecution(fold, event, executionId, ({ phase, undos }) => {
    const left = withoutUnit(undos ?? { running: {}, parked: [] }, unit);
    return {
      phase: phase === 'compensation_failed' ? 'compensating' : phase,
      undos: left,
      debtsParked: left.parked.length,
    };
  });
  changeCompensation(fold, event, () => ({ status: 'running' }));
};

const compensationCompleted: Handler<Of<'CompensationCompleted'>> = (event, fold) => {
  const { executionId, unit, completedAt } = event.data;
  changeExecution(fold, event, executionId, ({ undos, debtsOpen }) => {
    const left = withoutUnit(undos ?? { running: {}, parked: [] }, unit);
    return { undos: left, debtsOpen: debtsOpen - 1, debtsParked: left.parked.length };
  });
  changeCompensation(fold, event, () => ({ status: 'completed', closedAt: instant(completedAt) }));
};

const compensationSkipped: Handler<Of<'CompensationSkipped'>> = (event, fold) => {
  const { executionId, unit, reason, skippedAt } = event.data;
  changeExecution(fold, event, executionId, ({ undos, debtsOpen }) => {
    const left = withoutUnit(undos ?? { running: {}, parked: [] }, unit);
    return { undos: left, debtsOpen: debtsOpen - 1, debtsParked: left.parked.length };
  });
  changeCompensation(fold, event, () => ({ status: 'skipped', reason, closedAt: instant(skippedAt) }));
};

/**
 * Executions of workflows, from their own streams. The execution's row counts its steps, so that a batch writes one row per execution
 * however many of its steps end in the batch. Compensations have rows of their own.
 */
export const executionsProjector = {
  name: 'executions',
  version: 1,
  tables: [executionsTable, executionPayloadsTable, compensationDebtsTable],
  on: {
    ExecutionStarted: started,
    ExecutionPaused: (event, fold) =>
      changeExecution(fold, event, event.data.executionId, () => ({
        pausedAt: instant(event.data.pausedAt),
        pauseReason: event.data.reason ?? null,
      })),
    ExecutionResumed: (event, fold) =>
      changeExecution(fold, event, event.data.executionId, () => ({ pausedAt: null, pauseReason: null })),
    StepExpanded: expanded,
    StepCompleted: (event, fold) =>
      changeExecution(fold, event, event.data.executionId, ({ stepsCompleted }) => ({
        stepsCompleted: stepsCompleted + 1,
      })),
    StepFailed: (event, fold) =>
      changeExecution(fold, event, event.data.executionId, ({ stepsFailed }) => ({ stepsFailed: stepsFailed + 1 })),
    StepSkipped: (event, fold) =>
      changeExecution(fold, event, event.data.executionId, ({ stepsSkipped }) => ({ stepsSkipped: stepsSkipped + 1 })),
    TaskSubmitted: (event, fold) => unitCompensationStarted(fold, event),
    TaskRedriven: (event, fold) => unitCompensationStarted(fold, event),
    TaskCompleted: taskCompleted,
    TaskFailed: taskFailed,
    ExecutionAborting: aborting,
    CompensationStarted: compensationStarted,
    CompensationWaiting: compensationWaiting,
    CompensationCompleted: compensationCompleted,
    CompensationParked: compensationParked,
    CompensationSkipped: compensationSkipped,
    CompensationHandedOver: (event, fold) =>
      changeCompensation(fold, event, () => ({
        status: 'handed_over',
        handedOverTo: event.data.to,
        note: event.data.note ?? null,
      })),
    ExecutionReopened: (event, fold) =>
      changeExecution(fold, event, event.data.executionId, () => ({
        ...NOT_ENDED,
        phase: 'executing',
        abortReason: null,
        cancelReason: null,
        stepsFailed: 0,
      })),
    ExecutionMigrated: (event, fold) => {
      const { executionId, workflow, definition } = event.data;
      changeExecution(fold, event, executionId, ({ itemsExtra }) => ({
        workflow: workflow.name,
        version: workflow.version,
        digest: workflow.digest,
        stepsTotal: definition.tasks.length + itemsExtra,
      }));
    },
    ExecutionCompleted: (event, fold) => {
      const { tenant, position, data } = event;
      const { executionId, output } = data;
      changeExecution(fold, event, executionId, () => ended('completed', data.completedAt, data));
      fold.put(executionPayloadsTable, { tenant, executionId, kind: 'output', payload: output, position });
    },
    ExecutionFailed: (event, fold) =>
      changeExecution(fold, event, event.data.executionId, () => ({
        ...ended('failed', event.data.failedAt, event.data),
        error: event.data.error,
      })),
    ExecutionCancelled: (event, fold) =>
      changeExecution(fold, event, event.data.executionId, () =>
        ended('cancelled', event.data.cancelledAt, event.data),
      ),
    ExecutionCompensated: (event, fold) =>
      changeExecution(fold, event, event.data.executionId, () =>
        ended('compensated', event.data.compensatedAt, event.data),
      ),
    ExecutionCompensationFailed: (event, fold) =>
      changeExecution(fold, event, event.data.executionId, () => ({ phase: 'compensation_failed' })),
  },
} as const satisfies Projector;
