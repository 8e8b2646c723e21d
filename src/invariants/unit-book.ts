import type { TaskEvent } from '../domain/task/events.ts';
import type { StoredEvent } from '../eventstore/event-store.ts';
import { type ExecutionEntry, isCompensation, stepOfUnit } from './execution-entry.ts';
import type { ExecutionFindings } from './execution-findings.ts';
import { FINAL_STATUSES } from './execution-lifecycle.ts';
import type { SagaRules } from './saga-rules.ts';
import type { StepBook } from './step-book.ts';
import type { TaskEntry } from './task-book.ts';

/** What the tasks of executions do: each belongs to a unit, which is a step, an item of one, or the compensation of either. */
export class UnitBook {
  readonly #findings: ExecutionFindings;
  readonly #steps: StepBook;
  readonly #saga: SagaRules;

  constructor(findings: ExecutionFindings, steps: StepBook, saga: SagaRules) {
    this.#findings = findings;
    this.#steps = steps;
    this.#saga = saga;
  }

  take(execution: ExecutionEntry, stored: StoredEvent, task: TaskEntry): void {
    const event = { type: stored.type, data: stored.data } as TaskEvent;
    if (FINAL_STATUSES.has(execution.status) && event.type !== 'TaskCompleted')
      this.#findings.wrong(
        'S3',
        execution,
        `it was ${execution.status}, but ${event.type} of task ${task.taskId} follows`,
      );
    switch (event.type) {
      case 'TaskSubmitted':
        this.#submitted(execution, task, event.data.unit ?? '');
        break;
      case 'TaskRedriven':
        this.#redriven(execution, task);
        break;
      default:
        this.#changed(execution, task, event);
    }
    if (task.status === 'open' || task.status === 'closing') execution.openTasks.add(task.taskId);
    else execution.openTasks.delete(task.taskId);
  }

  #submitted(execution: ExecutionEntry, task: TaskEntry, unit: string): void {
    execution.unitOf.set(task.taskId, unit);
    const before = execution.units.get(unit);
    if (before?.phase === 'open' || before?.phase === 'completed')
      this.#findings.wrong('S4', execution, `${unit} gets another task, but is ${before.phase}`);
    this.#checkTask(execution, unit, 'TaskSubmitted');
    execution.units.set(unit, {
      taskId: task.taskId,
      phase: 'open',
      uncertain: before?.uncertain ?? false,
      endedAt: -1n,
    });
  }

  #redriven(execution: ExecutionEntry, task: TaskEntry): void {
    const unit = execution.unitOf.get(task.taskId) ?? '';
    if (execution.units.get(unit)?.taskId !== task.taskId)
      this.#findings.wrong('S4', execution, `task ${task.taskId} is redriven, but ${unit} has another task by now`);
    this.#checkTask(execution, unit, 'TaskRedriven');
    const entry = execution.units.get(unit);
    if (entry) entry.phase = 'open';
  }

  #checkTask(execution: ExecutionEntry, unit: string, how: string): void {
    if (isCompensation(unit)) this.#saga.compensating(execution, unit);
    else this.#checkTaskOfStep(execution, unit, how);
  }

  #checkTaskOfStep(execution: ExecutionEntry, unit: string, how: string): void {
    const stepId = stepOfUnit(unit);
    this.#steps.checkStart(execution, stepId, how);
    const step = execution.steps.get(stepId);
    const item = /\[(\d+)\]$/.exec(unit)?.[1];
    if (step && (item === undefined) !== (step.items === undefined))
      this.#findings.wrong('S8', execution, `${how} of ${unit}, but ${stepId} has ${step.items ?? 'no'} items`);
    if (step && item !== undefined && Number(item) >= (step.items ?? 0))
      this.#findings.wrong('S8', execution, `${how} of ${unit}, but its list has ${step.items} items`);
    if (step && step.own !== 'none')
      this.#findings.wrong('S4', execution, `${how} of ${unit}, but ${stepId} is ${step.own}`);
  }

  #changed(execution: ExecutionEntry, task: TaskEntry, event: TaskEvent): void {
    const unit = execution.unitOf.get(task.taskId) ?? '';
    const entry = execution.units.get(unit);
    this.#checkRetry(execution, unit, event);
    if (!entry || entry.taskId !== task.taskId || task.status === 'open' || task.status === 'closing') {
      if (entry) entry.uncertain ||= task.uncertain;
      return;
    }
    if (task.status === 'parked') return;
    const late = entry.phase === 'indeterminate' && event.type === 'TaskCompleted';
    // What was settled when compensation started stays settled; a late answer does not change it.
    if (!isCompensation(unit) && execution.compensations) {
      if (!late) this.#findings.wrong('S13', execution, `${event.type} of ${unit} after compensation has started`);
      return;
    }
    if (isCompensation(unit) && event.type === 'TaskCompleted') this.#saga.compensated(execution, unit, late);
    entry.phase = task.status;
    entry.uncertain ||= task.uncertain;
    // Steps that depend on it may have gone on meanwhile.
    if (!late) entry.endedAt = this.#findings.position;
  }

  #checkRetry(execution: ExecutionEntry, unit: string, event: TaskEvent): void {
    if (event.type !== 'TaskAttemptFailed' || event.data.retryAt === undefined) return;
    if (isCompensation(unit)) this.#findings.saw('compensation tried again');
    else if (execution.abort) this.#findings.wrong('S13', execution, `${unit} is to be tried again while it aborts`);
  }
}
