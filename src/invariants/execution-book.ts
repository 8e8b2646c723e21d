import type { ExecutionEvent } from '../domain/execution/events.ts';
import { executionStream } from '../domain/ids.ts';
import type { StoredEvent } from '../eventstore/event-store.ts';
import { type ExecutionEntry, type ExecutionEntryStatus, endedWell, newStep } from './execution-entry.ts';
import { ExecutionFindings } from './execution-findings.ts';
import {
  EXECUTION_EVENT_TYPES,
  type ExecutionEventType,
  FINAL_STATUSES,
  NEXT_STATUS,
  SETTLED_STATUSES,
  SITUATION_OF,
} from './execution-lifecycle.ts';
import { PinnedWorkflow } from './pinned-workflow.ts';
import { SagaRules } from './saga-rules.ts';
import type { Sometimes } from './sometimes.ts';
import { StepBook } from './step-book.ts';
import type { TaskEntry } from './task-book.ts';
import { UnitBook } from './unit-book.ts';
import type { Violations } from './violations.ts';

type Of<Type extends ExecutionEvent['type']> = Extract<ExecutionEvent, { type: Type }>['data'];

const keyOf = (tenant: string, executionId: string): string => `${tenant}/${executionId}`;

/**
 * Executions: S4 for their lifecycle; `StepBook` and `UnitBook` check their steps and tasks (S8, S9, S13), `SagaRules` their compensations
 * (S11 to S13). A fold of their streams that shares nothing with the product's. What it knows of tasks comes from the task book, which
 * takes each event first.
 */
export class ExecutionBook {
  readonly executions = new Map<string, ExecutionEntry>();
  readonly #violations: Violations;
  readonly #findings: ExecutionFindings;
  readonly #saga: SagaRules;
  readonly #steps: StepBook;
  readonly #units: UnitBook;

  constructor(violations: Violations) {
    this.#violations = violations;
    this.#findings = new ExecutionFindings(violations);
    this.#saga = new SagaRules(this.#findings);
    this.#steps = new StepBook(this.#findings, (tenant, executionId) => this.execution(tenant, executionId));
    this.#units = new UnitBook(this.#findings, this.#steps, this.#saga);
  }

  /** How often each situation occurred. */
  get seen(): ReadonlyMap<Sometimes, number> {
    return this.#findings.seen;
  }

  /** Returns whether this book knows events of this type. */
  take(stored: StoredEvent, task: TaskEntry | undefined): boolean {
    this.#findings.read(stored);
    if (EXECUTION_EVENT_TYPES.has(stored.type)) {
      this.#own({ type: stored.type, data: stored.data } as ExecutionEvent, stored);
      return true;
    }
    if (task?.executionId !== undefined) this.#ofTask(stored, task, task.executionId);
    return false;
  }

  /** L1: every execution has come to an end, or waits for a person. */
  checkSettled(): void {
    for (const execution of this.executions.values()) {
      if (SETTLED_STATUSES.has(execution.status) || this.#waitsForAPerson(execution)) continue;
      const open = [...execution.openTasks].join(', ');
      const waits = [...execution.steps].filter(([, { own }]) => own === 'waiting').map(([id]) => id);
      this.#violations.add(
        'L1',
        `execution ${execution.executionId} did not end: it is ${execution.paused ? 'paused' : execution.status}, open tasks: ${open || 'none'}, waiting steps: ${waits.join(', ') || 'none'}`,
      );
    }
  }

  /** Its own compensation failed; or it waits for sub-workflows only, and all of them wait for a person. */
  #waitsForAPerson(execution: ExecutionEntry | undefined): boolean {
    if (execution?.status === 'compensation_failed') return true;
    if (!execution || SETTLED_STATUSES.has(execution.status) || execution.openTasks.size > 0) return false;
    const waiting = [...execution.steps.values()].filter(({ own }) => own === 'waiting');
    const children = waiting.map(({ childId }) => this.execution(execution.tenant, childId ?? ''));
    return children.length > 0 && children.every((child) => this.#waitsForAPerson(child));
  }

  execution(tenant: string, executionId: string): ExecutionEntry | undefined {
    return this.executions.get(keyOf(tenant, executionId));
  }

  count(status: ExecutionEntryStatus): number {
    return [...this.executions.values()].filter((execution) => execution.status === status).length;
  }

  #own(event: ExecutionEvent, { stream, metadata: { tenant } }: StoredEvent): void {
    const { executionId } = event.data;
    const execution = this.execution(tenant, executionId);
    const from = execution?.status ?? 'none';
    if (stream !== executionStream(tenant, executionId))
      this.#findings.wrong('S4', event.data, `${event.type} is in ${stream}`);
    const to = NEXT_STATUS[from][event.type];
    if (to === undefined) {
      const ended = execution !== undefined && FINAL_STATUSES.has(execution.status);
      const startsStep = event.type === 'StepWaiting' || event.type === 'StepExpanded';
      this.#findings.wrong(
        ended ? 'S3' : startsStep && from !== 'none' ? 'S13' : 'S4',
        event.data,
        `it was ${from}, but ${event.type} follows`,
      );
      return;
    }
    if (event.type === 'ExecutionStarted') this.#started(event.data, tenant);
    if (execution) this.#happened(execution, event, to);
    const situation = SITUATION_OF[event.type];
    if (situation) this.#findings.saw(situation);
  }

  #started(data: Of<'ExecutionStarted'>, tenant: string): void {
    const { executionId, definition, parent, forkedFrom } = data;
    const workflow = new PinnedWorkflow(definition);
    const steps = new Map([...workflow.steps.keys()].map((id) => [id, newStep()]));
    for (const { stepId, status } of forkedFrom?.reused ?? []) {
      const step = steps.get(stepId);
      if (step) Object.assign(step, { own: status, reused: true });
    }
    const execution: ExecutionEntry = {
      tenant,
      executionId,
      parent,
      workflow,
      status: 'executing',
      paused: false,
      steps,
      units: new Map(),
      unitOf: new Map(),
      openTasks: new Set(),
      abort: undefined,
      reopenedBy: undefined,
      compensations: undefined,
      signals: new Map(),
      output: undefined,
    };
    this.executions.set(keyOf(tenant, executionId), execution);
    if (parent) this.#steps.checkRequested(execution, parent);
  }

  #happened(execution: ExecutionEntry, event: ExecutionEvent, to: ExecutionEntryStatus): void {
    // An abort is judged by the status that it ends.
    if (event.type === 'ExecutionAborting') this.#aborting(execution, event.data);
    execution.status = to;
    switch (event.type) {
      case 'ExecutionPaused':
        if (execution.paused) this.#findings.wrong('S4', execution, 'it is paused twice');
        execution.paused = true;
        return;
      case 'ExecutionResumed':
        if (!execution.paused) this.#findings.wrong('S4', execution, 'it is resumed, but was not paused');
        execution.paused = false;
        return;
      case 'ExecutionSignalled':
        execution.signals.set(event.data.name, (execution.signals.get(event.data.name) ?? 0) + 1);
        return;
      case 'ExecutionReopened':
        this.#reopened(execution, event.data.steps);
        return;
      case 'ExecutionMigrated':
        this.#steps.migrate(execution, event.data);
        return;
      case 'CompensationStarted':
        this.#saga.started(execution, event.data);
        return;
      case 'CompensationWaiting':
        this.#saga.compensating(execution, `~${event.data.unit}`);
        return;
      case 'CompensationCompleted':
        this.#saga.compensated(execution, `~${event.data.unit}`, false);
        return;
      case 'CompensationParked':
        this.#saga.parked(execution, event.data.unit);
        return;
      case 'CompensationSkipped':
        this.#saga.skipped(execution, event.data.unit);
        return;
      default:
        this.#steps.take(execution, event);
        this.#ended(execution, event);
    }
  }

  #ended(execution: ExecutionEntry, event: ExecutionEvent): void {
    switch (event.type) {
      case 'ExecutionCompleted':
        execution.output = event.data.output;
        for (const stepId of execution.steps.keys())
          if (!endedWell(execution, stepId))
            this.#findings.wrong('S8', execution, `it completed, but ${stepId} has not ended well`);
        this.#nothingOpen(execution, event.type);
        return;
      case 'ExecutionFailed':
      case 'ExecutionCancelled':
        this.#nothingOpen(execution, event.type);
        this.#saga.endedWithoutCompensation(execution);
        return;
      case 'ExecutionCompensated':
      case 'ExecutionCompensationFailed':
        this.#nothingOpen(execution, event.type);
        this.#saga.ended(execution, event.type === 'ExecutionCompensated');
        return;
      default:
    }
  }

  #nothingOpen(execution: ExecutionEntry, type: ExecutionEventType): void {
    for (const taskId of execution.openTasks)
      this.#findings.wrong(
        'S4',
        execution,
        `${type}, but its task ${taskId} (${execution.unitOf.get(taskId)}) is open`,
      );
  }

  #aborting(execution: ExecutionEntry, data: Of<'ExecutionAborting'>): void {
    const { reason, unit, compensate, strategy } = data;
    if (execution.status === 'failed' && reason !== 'cancelled')
      this.#findings.wrong('S4', execution, `it had failed, and aborts again because ${reason}`);
    if (execution.status === 'aborting' && !data.interrupt) this.#findings.wrong('S4', execution, 'it aborts twice');
    execution.abort = { reason, unit, compensate, strategy };
    if (reason !== 'step_failed') execution.paused = false;
    for (const step of execution.steps.values())
      if (step.own === 'waiting' && step.waitKind !== 'workflow') step.own = 'cancelled';
  }

  #reopened(execution: ExecutionEntry, steps: readonly string[]): void {
    execution.abort = undefined;
    execution.reopenedBy = this.#findings.commandId;
    for (const stepId of steps) {
      const step = execution.steps.get(stepId);
      if (endedWell(execution, stepId))
        this.#findings.wrong('S4', execution, `${stepId} is run again, but had ended well`);
      if (step) Object.assign(step, { own: 'none', waitKind: undefined, childId: undefined });
    }
  }

  #ofTask(stored: StoredEvent, task: TaskEntry, executionId: string): void {
    const execution = this.execution(task.tenant, executionId);
    if (execution) this.#units.take(execution, stored, task);
    else this.#findings.wrong('S4', { executionId }, `${stored.type} of ${task.taskId}, but it never started`);
  }
}
