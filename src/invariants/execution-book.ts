import canonicalize from 'canonicalize';
import type { ExecutionEvent } from '../domain/execution/events.ts';
import { executionStream } from '../domain/ids.ts';
import type { TaskEvent } from '../domain/task/events.ts';
import type { Position, StoredEvent } from '../eventstore/event-store.ts';
import {
  type ExecutionEntry,
  type ExecutionEntryStatus,
  endedWell,
  isUndo,
  newStep,
  type StepEntry,
  stepOfUnit,
} from './execution-entry.ts';
import { PinnedWorkflow } from './pinned-workflow.ts';
import { SagaRules } from './saga-rules.ts';
import type { Sometimes } from './sometimes.ts';
import type { TaskEntry } from './task-book.ts';
import type { InvariantId, Violations } from './violations.ts';

type Of<Type extends ExecutionEvent['type']> = Extract<ExecutionEvent, { type: Type }>['data'];
type EventType = ExecutionEvent['type'];

const STEP_EVENTS = ['StepExpanded', 'StepWaiting', 'StepCompleted', 'StepFailed', 'StepSkipped'] as const;

const row = (
  status: ExecutionEntryStatus,
  types: readonly EventType[],
): Partial<Record<EventType, ExecutionEntryStatus>> => Object.fromEntries(types.map((type) => [type, status]));

/** An execution's lifecycle (S4), from the requirements. What is paused is so beside it. */
const NEXT: Readonly<Record<ExecutionEntryStatus | 'none', Partial<Record<EventType, ExecutionEntryStatus>>>> = {
  none: { ExecutionStarted: 'executing' },
  executing: {
    ...row('executing', [
      ...STEP_EVENTS,
      'ExecutionPaused',
      'ExecutionResumed',
      'ExecutionSignalled',
      'ExecutionMigrated',
    ]),
    ExecutionAborting: 'aborting',
    ExecutionCompleted: 'completed',
    // What the execution as a whole gives could not be made.
    ExecutionFailed: 'failed',
  },
  aborting: {
    // Sub-workflows are waited for.
    ...row('aborting', ['StepCompleted', 'StepFailed', 'ExecutionPaused', 'ExecutionResumed', 'ExecutionSignalled']),
    // Agents are waited for no longer.
    ExecutionAborting: 'aborting',
    CompensationStarted: 'compensating',
    ExecutionFailed: 'failed',
    ExecutionCancelled: 'cancelled',
  },
  compensating: {
    ...row('compensating', ['ExecutionPaused', 'ExecutionResumed', 'ExecutionSignalled']),
    ...row('compensating', ['CompensationParked', 'CompensationSkipped', 'CompensationHandedOver']),
    ExecutionCompensated: 'compensated',
    ExecutionCompensationFailed: 'compensation_failed',
  },
  compensation_failed: {
    ...row('compensation_failed', ['ExecutionSignalled', 'CompensationParked', 'CompensationSkipped']),
    CompensationHandedOver: 'compensation_failed',
    ExecutionCompensated: 'compensated',
  },
  failed: { ExecutionReopened: 'executing', ExecutionAborting: 'aborting', ExecutionMigrated: 'failed' },
  completed: {},
  cancelled: {},
  compensated: {},
};

const KNOWN: ReadonlySet<string> = new Set(Object.values(NEXT).flatMap((steps) => Object.keys(steps)));
const FINAL: ReadonlySet<ExecutionEntryStatus> = new Set(['completed', 'cancelled', 'compensated']);
/** Nothing more happens by itself. */
const SETTLED: ReadonlySet<ExecutionEntryStatus> = new Set([...FINAL, 'failed', 'compensation_failed']);

const SEEN_AS: Partial<Record<EventType, Sometimes>> = {
  ExecutionCompleted: 'execution completed',
  ExecutionFailed: 'execution failed',
  ExecutionCompensated: 'execution compensated',
  ExecutionCompensationFailed: 'compensation failed for good',
  ExecutionCancelled: 'execution cancelled',
  ExecutionReopened: 'execution reopened',
  ExecutionResumed: 'paused and resumed',
};

const keyOf = (tenant: string, executionId: string): string => `${tenant}/${executionId}`;

/**
 * Executions, step by step: S4 for their lifecycle, S8, and with `SagaRules` S11 to S13. A fold of their streams that shares nothing with
 * the product's; of tasks it knows what the task book, which takes each event first, says of them.
 */
export class ExecutionBook {
  readonly executions = new Map<string, ExecutionEntry>();
  readonly seen = new Map<Sometimes, number>();
  readonly #violations: Violations;
  readonly #saga: SagaRules;
  /** The step that asked for a sub-workflow, by the sub-workflow. */
  readonly #askedFor = new Map<string, { readonly parentId: string; step: string }>();
  #stored: StoredEvent | undefined;

  constructor(violations: Violations) {
    this.#violations = violations;
    this.#saga = new SagaRules(
      (invariant, execution, what) => this.#wrong(invariant, execution, what),
      (situation) => this.#saw(situation),
    );
  }

  /** Answers whether the event is of a kind that this book knows. */
  take(stored: StoredEvent, task: TaskEntry | undefined): boolean {
    this.#stored = stored;
    if (KNOWN.has(stored.type)) {
      this.#own({ type: stored.type, data: stored.data } as ExecutionEvent, stored);
      return true;
    }
    if (task?.executionId !== undefined) this.#ofTask(stored, task, task.executionId);
    return false;
  }

  /** L1: every execution has come to an end, or waits for a person at its desk. */
  checkSettled(): void {
    for (const execution of this.executions.values()) {
      if (SETTLED.has(execution.status)) continue;
      const open = [...execution.openTasks].join(', ');
      const waits = [...execution.steps].filter(([, { own }]) => own === 'waiting').map(([id]) => id);
      this.#violations.add(
        'L1',
        `execution ${execution.executionId} did not end: it is ${execution.paused ? 'paused' : execution.status}, open tasks: ${open || 'none'}, waiting steps: ${waits.join(', ') || 'none'}`,
      );
    }
  }

  execution(tenant: string, executionId: string): ExecutionEntry | undefined {
    return this.executions.get(keyOf(tenant, executionId));
  }

  count(status: ExecutionEntryStatus): number {
    return [...this.executions.values()].filter((execution) => execution.status === status).length;
  }

  get #position(): Position {
    return this.#stored?.position ?? -1n;
  }

  #saw(situation: Sometimes): void {
    this.seen.set(situation, (this.seen.get(situation) ?? 0) + 1);
  }

  #wrong(invariant: InvariantId, { executionId }: Pick<ExecutionEntry, 'executionId'>, what: string): void {
    this.#violations.add(invariant, `execution ${executionId}: ${what}`, this.#position);
  }

  #own(event: ExecutionEvent, { stream, metadata: { tenant } }: StoredEvent): void {
    const { executionId } = event.data;
    const execution = this.execution(tenant, executionId);
    const from = execution?.status ?? 'none';
    const expected = executionStream(tenant, executionId);
    if (stream !== expected) this.#wrong('S4', event.data, `${event.type} is in ${stream}`);
    const to = NEXT[from][event.type];
    if (to === undefined) {
      const ended = execution !== undefined && FINAL.has(execution.status);
      const startsStep = event.type === 'StepWaiting' || event.type === 'StepExpanded';
      this.#wrong(
        ended ? 'S3' : startsStep && from !== 'none' ? 'S13' : 'S4',
        event.data,
        `it was ${from}, but ${event.type} follows`,
      );
      return;
    }
    if (event.type === 'ExecutionStarted') this.#started(event.data, tenant);
    if (execution) this.#happened(execution, event, to);
    const situation = SEEN_AS[event.type];
    if (situation) this.#saw(situation);
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
      undos: undefined,
      signals: new Map(),
      output: undefined,
    };
    this.executions.set(keyOf(tenant, executionId), execution);
    if (parent) this.#checkWanted(execution, parent);
  }

  /** S8: a sub-workflow starts while the step that asked for it waits for it. Later, nobody would undo what it does. */
  #checkWanted(child: ExecutionEntry, parent: NonNullable<ExecutionEntry['parent']>): void {
    const asked = this.#askedFor.get(keyOf(child.tenant, child.executionId));
    const step = this.execution(child.tenant, parent.executionId)?.steps.get(asked?.step ?? '');
    const isWanted = step?.own === 'waiting' && step.childId === child.executionId;
    if (asked?.parentId !== parent.executionId || !isWanted)
      this.#wrong('S8', child, `${parent.unit} of ${parent.executionId} does not wait for this sub-workflow`);
  }

  #happened(execution: ExecutionEntry, event: ExecutionEvent, to: ExecutionEntryStatus): void {
    if (event.type !== 'ExecutionAborting') execution.status = to;
    switch (event.type) {
      case 'ExecutionPaused':
        if (execution.paused) this.#wrong('S4', execution, 'it is paused twice');
        execution.paused = true;
        return;
      case 'ExecutionResumed':
        if (!execution.paused) this.#wrong('S4', execution, 'it goes on, but was not paused');
        execution.paused = false;
        return;
      case 'StepExpanded':
        this.#startStep(execution, event.data.stepId, event.type, { items: event.data.items.length });
        return;
      case 'StepWaiting':
        this.#waiting(execution, event.data);
        return;
      case 'StepCompleted':
      case 'StepFailed':
        this.#stepEnded(execution, event);
        return;
      case 'StepSkipped':
        this.#skipped(execution, event.data);
        return;
      case 'ExecutionSignalled':
        execution.signals.set(event.data.name, (execution.signals.get(event.data.name) ?? 0) + 1);
        return;
      case 'ExecutionAborting':
        this.#aborting(execution, event.data);
        execution.status = to;
        return;
      case 'CompensationStarted':
        this.#saga.started(execution, event.data);
        return;
      case 'CompensationParked':
        this.#saga.parked(execution, event.data.unit);
        return;
      case 'CompensationSkipped':
        this.#saga.skipped(execution, event.data.unit);
        return;
      case 'ExecutionReopened':
        this.#reopened(execution, event.data.steps);
        return;
      case 'ExecutionMigrated':
        this.#migrated(execution, event.data);
        return;
      case 'ExecutionCompleted':
        execution.output = event.data.output;
        for (const stepId of execution.steps.keys())
          if (!endedWell(execution, stepId)) this.#wrong('S8', execution, `it completed, but ${stepId} has not`);
        this.#nothingOpen(execution, event.type);
        return;
      case 'ExecutionFailed':
      case 'ExecutionCancelled':
        this.#nothingOpen(execution, event.type);
        this.#saga.endedWithoutUndo(execution);
        return;
      case 'ExecutionCompensated':
      case 'ExecutionCompensationFailed':
        this.#nothingOpen(execution, event.type);
        this.#saga.ended(execution, event.type === 'ExecutionCompensated');
        return;
      default:
    }
  }

  #nothingOpen(execution: ExecutionEntry, type: EventType): void {
    for (const taskId of execution.openTasks)
      this.#wrong('S4', execution, `${type}, but its task ${taskId} (${execution.unitOf.get(taskId)}) is open`);
  }

  /** S8 and S13: what a step depends on has ended well, and the execution may go on. */
  #checkStart(execution: ExecutionEntry, stepId: string, how: string): void {
    const definition = execution.workflow.steps.get(stepId);
    if (!definition) {
      this.#wrong('S8', execution, `${how} of ${stepId}, which its definition does not have`);
      return;
    }
    for (const dependency of definition.dependsOn)
      if (!endedWell(execution, dependency))
        this.#wrong('S8', execution, `${how} of ${stepId}, but ${dependency} has not ended well`);
    if (execution.abort) this.#wrong('S13', execution, `${how} of ${stepId} while it aborts`);
    const isRetry = execution.reopenedBy === this.#stored?.metadata.commandId;
    if (execution.paused && !isRetry) this.#wrong('S4', execution, `${how} of ${stepId} while it is paused`);
  }

  #startStep(execution: ExecutionEntry, stepId: string, how: string, change: Partial<StepEntry>): void {
    this.#checkStart(execution, stepId, how);
    const step = execution.steps.get(stepId);
    if (!step) return;
    if (step.own !== 'none' || step.items !== undefined || execution.units.has(stepId))
      this.#wrong('S4', execution, `${how} of ${stepId}, which has started before`);
    Object.assign(step, change);
  }

  #waiting(execution: ExecutionEntry, { stepId, kind, name, child }: Of<'StepWaiting'>): void {
    const cameBefore = kind === 'event' && (execution.signals.get(name ?? '') ?? 0) > 0;
    this.#startStep(execution, stepId, 'StepWaiting', {
      own: 'waiting',
      waitKind: kind,
      cameBefore,
      childId: child?.executionId,
    });
    if (!child) return;
    const key = keyOf(execution.tenant, child.executionId);
    if (this.#askedFor.has(key)) this.#wrong('S9', execution, `sub-workflow ${child.executionId} is asked for twice`);
    this.#askedFor.set(key, { parentId: execution.executionId, step: stepId });
  }

  #stepEnded(
    execution: ExecutionEntry,
    event: Extract<ExecutionEvent, { type: 'StepCompleted' | 'StepFailed' }>,
  ): void {
    const { stepId } = event.data;
    const step = execution.steps.get(stepId);
    const waited = step?.own === 'waiting';
    if (event.type === 'StepCompleted' && !waited)
      this.#wrong('S8', execution, `StepCompleted of ${stepId}, which did not wait for anything`);
    // A step that could not even be started.
    if (event.type === 'StepFailed' && !waited) this.#checkStart(execution, stepId, 'StepFailed');
    if (!step) return;
    if (waited && step.waitKind === 'workflow') this.#checkJoin(execution, step, event);
    if (event.type === 'StepCompleted') this.#sawWaitEnd(execution, stepId, step);
    step.own = event.type === 'StepCompleted' ? 'completed' : 'failed';
    step.endedAt = this.#position;
  }

  #sawWaitEnd(execution: ExecutionEntry, stepId: string, { waitKind, cameBefore }: StepEntry): void {
    if (waitKind === 'delay') this.#saw('delay ended');
    if (waitKind !== 'event') return;
    const name = execution.workflow.steps.get(stepId)?.waitFor?.name ?? '';
    const came = execution.signals.get(name) ?? 0;
    if (came === 0) this.#wrong('S8', execution, `${stepId} took the event ${name}, which did not come`);
    execution.signals.set(name, came - 1);
    this.#saw(cameBefore ? 'event before its wait' : 'event after its wait');
  }

  /** S8: a step takes what its sub-workflow gave, once that has ended. */
  #checkJoin(
    execution: ExecutionEntry,
    { childId }: StepEntry,
    event: Extract<ExecutionEvent, { type: 'StepCompleted' | 'StepFailed' }>,
  ): void {
    const child = this.execution(execution.tenant, childId ?? '');
    const completed = child?.status === 'completed';
    if (event.type === 'StepFailed') {
      this.#saw('sub-workflow failed its step');
      if (completed)
        this.#wrong('S8', execution, `${event.data.stepId} failed, but its sub-workflow ${childId} completed`);
      return;
    }
    this.#saw('sub-workflow joined');
    if (!completed)
      this.#wrong(
        'S8',
        execution,
        `${event.data.stepId} completed, but its sub-workflow is ${child?.status ?? 'not there'}`,
      );
    else if (canonicalize(child.output) !== canonicalize(event.data.output))
      this.#wrong('S8', execution, `${event.data.stepId} gives something else than its sub-workflow ${childId} gave`);
  }

  #skipped(execution: ExecutionEntry, { stepId, reason }: Of<'StepSkipped'>): void {
    const step = execution.steps.get(stepId);
    if (reason !== 'person') this.#checkStart(execution, stepId, 'StepSkipped');
    if (!step) return;
    const phase = execution.units.get(stepId)?.phase;
    if (phase === 'open' || phase === 'completed' || step.own === 'completed')
      this.#wrong('S4', execution, `${stepId} is skipped, but is ${phase ?? step.own}`);
    step.own = 'skipped';
    step.endedAt = this.#position;
  }

  #aborting(execution: ExecutionEntry, data: Of<'ExecutionAborting'>): void {
    const { reason, unit, compensate, strategy } = data;
    if (execution.status === 'failed' && reason !== 'cancelled')
      this.#wrong('S4', execution, `it had failed, and aborts again because ${reason}`);
    if (execution.status === 'aborting' && !data.interrupt) this.#wrong('S4', execution, 'it aborts twice');
    execution.abort = { reason, unit, compensate, strategy };
    if (reason !== 'step_failed') execution.paused = false;
    for (const step of execution.steps.values())
      if (step.own === 'waiting' && step.waitKind !== 'workflow') step.own = 'cancelled';
  }

  #reopened(execution: ExecutionEntry, steps: readonly string[]): void {
    execution.abort = undefined;
    execution.reopenedBy = this.#stored?.metadata.commandId;
    for (const stepId of steps) {
      const step = execution.steps.get(stepId);
      if (endedWell(execution, stepId)) this.#wrong('S4', execution, `${stepId} is done again, but had ended well`);
      if (step) Object.assign(step, { own: 'none', waitKind: undefined, childId: undefined });
    }
  }

  #migrated(execution: ExecutionEntry, { definition, mapping }: Of<'ExecutionMigrated'>): void {
    const target = (stepId: string): string | null => {
      const mapped = mapping[stepId];
      return mapped === undefined ? stepId : mapped;
    };
    const renamed = (unit: string): string | null => {
      const stepId = stepOfUnit(unit);
      const to = target(stepId);
      return to === null ? null : unit.replace(stepId, to);
    };
    execution.workflow = new PinnedWorkflow(definition);
    const before = [...execution.steps];
    execution.steps.clear();
    for (const stepId of execution.workflow.steps.keys()) execution.steps.set(stepId, newStep());
    for (const [stepId, step] of before) {
      const to = target(stepId);
      if (to !== null && execution.steps.has(to)) execution.steps.set(to, step);
    }
    execution.units = new Map(
      [...execution.units].flatMap(([unit, entry]) => {
        const to = renamed(unit);
        return to === null ? [] : [[to, entry] as const];
      }),
    );
    for (const asked of this.#askedFor.values())
      if (asked.parentId === execution.executionId) asked.step = target(asked.step) ?? asked.step;
    execution.unitOf = new Map([...execution.unitOf].map(([taskId, unit]) => [taskId, renamed(unit) ?? unit]));
  }

  #ofTask(stored: StoredEvent, task: TaskEntry, executionId: string): void {
    const execution = this.execution(task.tenant, executionId);
    const event = { type: stored.type, data: stored.data } as TaskEvent;
    if (!execution) {
      this.#wrong('S4', { executionId }, `${event.type} of ${task.taskId}, but it never started`);
      return;
    }
    if (FINAL.has(execution.status) && event.type !== 'TaskCompleted')
      this.#wrong('S3', execution, `it was ${execution.status}, but ${event.type} of task ${task.taskId} follows`);
    switch (event.type) {
      case 'TaskSubmitted':
        this.#submitted(execution, task, event.data.unit ?? '');
        break;
      case 'TaskRedriven':
        this.#redriven(execution, task);
        break;
      default:
        this.#unitChanged(execution, task, event);
    }
    if (task.status === 'open' || task.status === 'closing') execution.openTasks.add(task.taskId);
    else execution.openTasks.delete(task.taskId);
  }

  #submitted(execution: ExecutionEntry, task: TaskEntry, unit: string): void {
    execution.unitOf.set(task.taskId, unit);
    const before = execution.units.get(unit);
    if (before?.phase === 'open' || before?.phase === 'completed')
      this.#wrong('S4', execution, `${unit} gets another task, but is ${before.phase}`);
    if (isUndo(unit)) this.#saga.undoing(execution, unit);
    else this.#checkTaskOfStep(execution, unit, 'TaskSubmitted');
    execution.units.set(unit, {
      taskId: task.taskId,
      phase: 'open',
      uncertain: before?.uncertain ?? false,
      endedAt: -1n,
    });
  }

  #checkTaskOfStep(execution: ExecutionEntry, unit: string, how: string): void {
    const stepId = stepOfUnit(unit);
    this.#checkStart(execution, stepId, how);
    const step = execution.steps.get(stepId);
    const item = /\[(\d+)\]$/.exec(unit)?.[1];
    if (step && (item === undefined) !== (step.items === undefined))
      this.#wrong('S8', execution, `${how} of ${unit}, but ${stepId} has ${step.items ?? 'no'} items`);
    if (step && item !== undefined && Number(item) >= (step.items ?? 0))
      this.#wrong('S8', execution, `${how} of ${unit}, but its list has ${step.items} items`);
    if (step && step.own !== 'none') this.#wrong('S4', execution, `${how} of ${unit}, but ${stepId} is ${step.own}`);
  }

  #redriven(execution: ExecutionEntry, task: TaskEntry): void {
    const unit = execution.unitOf.get(task.taskId) ?? '';
    if (execution.units.get(unit)?.taskId !== task.taskId)
      this.#wrong('S4', execution, `task ${task.taskId} goes on, but is not the one of ${unit} any more`);
    if (isUndo(unit)) this.#saga.undoing(execution, unit);
    else this.#checkTaskOfStep(execution, unit, 'TaskRedriven');
    const entry = execution.units.get(unit);
    if (entry) entry.phase = 'open';
  }

  #unitChanged(execution: ExecutionEntry, task: TaskEntry, event: TaskEvent): void {
    const unit = execution.unitOf.get(task.taskId) ?? '';
    const entry = execution.units.get(unit);
    const tried = event.type === 'TaskAttemptFailed' && event.data.retryAt !== undefined;
    if (tried && isUndo(unit)) this.#saw('undo tried again');
    if (tried && !isUndo(unit) && execution.abort)
      this.#wrong('S13', execution, `${unit} is to be tried again while it aborts`);
    if (!entry || entry.taskId !== task.taskId || task.status === 'open' || task.status === 'closing') {
      if (entry) entry.uncertain ||= task.uncertain;
      return;
    }
    if (task.status === 'parked') return;
    const late = entry.phase === 'indeterminate' && event.type === 'TaskCompleted';
    // What was settled stays so, whatever still comes of it.
    if (!isUndo(unit) && execution.undos) {
      if (!late) this.#wrong('S13', execution, `${event.type} of ${unit} after compensation has started`);
      return;
    }
    if (isUndo(unit) && event.type === 'TaskCompleted') this.#saga.undone(execution, unit, late);
    entry.phase = task.status;
    entry.uncertain ||= task.uncertain;
    // Steps that depend on it may have gone on meanwhile.
    if (!late) entry.endedAt = this.#position;
  }
}
