import type { AgentProfile } from '../../src/domain/agent/events.ts';
import type { DomainEvent } from '../../src/domain/events.ts';
import type { ExecutionEvent } from '../../src/domain/execution/events.ts';
import { agentStream, executionStream, poolStream, taskStream } from '../../src/domain/ids.ts';
import type { Json } from '../../src/domain/json.ts';
import { DEFAULT_RETRY } from '../../src/domain/retry.ts';
import type { AttemptError, TaskEvent } from '../../src/domain/task/events.ts';
import type { TaskDefinition, WorkflowDefinition } from '../../src/domain/workflow/definition.ts';
import type { EventMetadata, StoredEvent } from '../../src/eventstore/event-store.ts';
import { EMPTY_HEAD, type StreamHead, seal } from '../../src/eventstore/provenance.ts';

const START = Date.parse('2026-03-01T12:00:00.000Z');
const IN_EXECUTION = executionStream('acme', 'e');
const TROUBLE: AttemptError = { code: 'E', message: 'm', source: 'agent', retryable: true };

/** The defaults of a step. */
const STEP: Omit<TaskDefinition, 'id'> = {
  dependsOn: [],
  timeoutMs: 1_000,
  priority: 3,
  compensate: false,
  pivot: false,
  tags: [],
  onFailure: 'fail',
};
const COMPENSATION = { capability: 'translate', timeoutMs: 1_000 };

export type StepFacts = Partial<Omit<TaskDefinition, 'compensation'>> & { readonly compensable?: boolean };

/** A definition by its steps; `{}` is a step that calls an agent. */
export const workflow = (
  steps: Readonly<Record<string, StepFacts>>,
  saga: Partial<WorkflowDefinition['saga']> = {},
): WorkflowDefinition => ({
  name: 'flow',
  version: '1.0.0',
  pattern: 'custom',
  agents: {},
  tasks: Object.entries(steps).map(([id, { compensable, ...facts }]) => ({
    ...STEP,
    id,
    ...facts,
    ...(compensable ? { compensation: COMPENSATION } : {}),
  })),
  coordination: { type: 'graph_based', maxParallel: 100 },
  saga: {
    strategy: 'backward',
    scope: 'all',
    select: { tasks: [], tags: [] },
    onCompensationFailure: 'stop',
    ...saga,
  },
  tags: [],
});

const REF = { name: 'flow', version: '1.0.0', digest: 'd'.repeat(64) };
const SPENT = { durationMs: 1, agentMs: 1, waitMs: 0, overheadMs: 0 };

type DataOf<Type extends TaskEvent['type']> = Extract<TaskEvent, { type: Type }>['data'];
type DataOfExecution<Type extends ExecutionEvent['type']> = Extract<ExecutionEvent, { type: Type }>['data'];
/** `commandId: same` puts an event under the command of the one before. */
type Options = {
  readonly stream?: string;
  readonly id?: string;
  readonly commandId?: string;
  readonly fingerprint?: string;
  readonly tenant?: string;
};

/** Writes a log by hand, event by event, without a decider; sealed as the product seals it. */
export class LogBuilder {
  readonly events: StoredEvent[] = [];
  readonly #heads = new Map<string, StreamHead>();
  #count = 0;
  nowMs = START;

  get iso(): string {
    return new Date(this.nowMs).toISOString();
  }

  get last(): StoredEvent {
    return this.events.at(-1) as StoredEvent;
  }

  /** One event, by default under a command of its own. */
  put(
    stream: string,
    event: DomainEvent | { readonly type: string; readonly data: Json },
    options: Options = {},
  ): this {
    this.#count += 1;
    this.nowMs += 10;
    const head = this.#heads.get(stream) ?? EMPTY_HEAD;
    const metadata: Omit<EventMetadata, 'prevHash' | 'hash'> = {
      tenant: options.tenant ?? 'acme',
      commandId: options.commandId ?? `command-${this.#count}`,
      $correlationId: 'c',
      $causationId: 'c',
      actor: 'test',
      at: this.iso,
      schemaVersion: 1,
      ...(options.fingerprint === undefined ? {} : { fingerprint: options.fingerprint }),
    };
    const id = options.id ?? `event-${this.#count}`;
    const data = JSON.parse(JSON.stringify(event.data)) as Json;
    const sealed = seal(stream, head, { id, type: event.type, data, metadata });
    const revision = head.revision === 'no_stream' ? 0n : head.revision + 1n;
    this.#heads.set(stream, { revision, hash: sealed.metadata.hash });
    this.events.push({ ...sealed, stream, revision, position: BigInt(this.#count * 16), recordedAt: this.iso });
    return this;
  }

  #task(event: TaskEvent, options: Options = {}): this {
    return this.put(options.stream ?? taskStream('acme', event.data.taskId), event, options);
  }

  registered(agentId: string, maxConcurrency = 10, facts: Partial<AgentProfile> = {}, options: Options = {}): this {
    const profile: AgentProfile = {
      pool: 'default',
      name: agentId,
      capabilities: [{ name: 'translate', version: '1.0.0' }],
      transport: { kind: 'local' },
      maxConcurrency,
      delivery: 'at_least_once',
      labels: {},
      ...facts,
    };
    const data = { ...profile, agentId, registeredAt: this.iso };
    return this.put(agentStream(options.tenant ?? 'acme', agentId), { type: 'AgentRegistered', data }, options);
  }

  submitted(taskId: string, { waitsFor, ...options }: Options & { readonly waitsFor?: string[] } = {}): this {
    const data: DataOf<'TaskSubmitted'> = {
      taskId,
      pool: 'default',
      capability: 'translate',
      input: null,
      priority: 3,
      strategy: 'least_loaded',
      retry: DEFAULT_RETRY,
      timeoutMs: 1_000,
      tags: [],
      submittedAt: this.iso,
      ...(waitsFor ? { dependsOn: waitsFor, waitsFor } : {}),
    };
    return this.#task({ type: 'TaskSubmitted', data }, options);
  }

  unblocked(taskId: string): this {
    return this.#task({ type: 'TaskUnblocked', data: { taskId, unblockedAt: this.iso } });
  }

  /** `t1→anna` or, for another attempt than the first, `t1#2→anna`. */
  assigned(...routes: readonly string[]): this {
    return this.assignedIn('default', ...routes);
  }

  assignedIn(pool: string, ...routes: readonly string[]): this {
    const assignments = routes.map((route) => {
      const [task = '', agentId = ''] = route.split('→');
      const [taskId = '', attempt = '1'] = task.split('#');
      const reason = { strategy: 's', strategyVersion: 1, eligible: 1, candidates: [], excluded: {}, waitedMs: 0 };
      return { taskId, attempt: Number(attempt), agentId, expiresAt: this.iso, reason };
    });
    return this.put(poolStream('acme', pool), {
      type: 'TasksAssigned',
      data: { pool, assignments, assignedAt: this.iso },
    });
  }

  started(taskId: string, attempt = 1, agentId = 'anna'): this {
    return this.#task({ type: 'TaskAttemptStarted', data: { taskId, attempt, agentId, startedAt: this.iso } });
  }

  progressed(taskId: string, attempt = 1, options: Options = {}): this {
    return this.#task({ type: 'TaskProgressReported', data: { taskId, attempt, reportedAt: this.iso } }, options);
  }

  completed(taskId: string, attempt = 1, agentId = 'anna', options: Options = {}): this {
    const data: DataOf<'TaskCompleted'> = {
      taskId,
      attempt,
      agentId,
      result: null,
      durationMs: 1,
      completedAt: this.iso,
    };
    return this.#task({ type: 'TaskCompleted', data }, options);
  }

  failed(taskId: string, attempt = 1, agentId: string | undefined = 'anna'): this {
    const data = { taskId, attempt, error: TROUBLE, failedAt: this.iso, retryAt: this.iso };
    return this.#task({ type: 'TaskAttemptFailed', data: agentId === undefined ? data : { ...data, agentId } });
  }

  /** The last failure and the dead letter, in one append. */
  parked(taskId: string, attempt = 1, agentId = 'anna'): this {
    const commandId = `command-park-${this.#count}`;
    this.#task(
      { type: 'TaskAttemptFailed', data: { taskId, attempt, agentId, error: TROUBLE, failedAt: this.iso } },
      { commandId },
    );
    return this.deadLettered(taskId, 'attempts_exhausted', attempt, { commandId });
  }

  deadLettered(
    taskId: string,
    reason: DataOf<'TaskDeadLettered'>['reason'],
    attempts = 1,
    options: Options = {},
  ): this {
    const data = { taskId, reason, attempts, error: TROUBLE, deadLetteredAt: this.iso };
    return this.#task({ type: 'TaskDeadLettered', data }, options);
  }

  lost(taskId: string, attempt = 1, agentId = 'anna'): this {
    return this.#task({
      type: 'TaskOutcomeUnknown',
      data: { taskId, attempt, agentId, error: TROUBLE, occurredAt: this.iso },
    });
  }

  cancelled(taskId: string): this {
    return this.#task({ type: 'TaskCancelled', data: { taskId, cancelledAt: this.iso } });
  }

  redriven(taskId: string, nextAttempt: number): this {
    const data: DataOf<'TaskRedriven'> = {
      taskId,
      pool: 'default',
      capability: 'translate',
      priority: 3,
      strategy: 'least_loaded',
      timeoutMs: 1_000,
      nextAttempt,
      redrivenAt: this.iso,
    };
    return this.#task({ type: 'TaskRedriven', data });
  }

  /** An execution named `e`; its tasks have the names of their units. */
  #own<Type extends ExecutionEvent['type']>(type: Type, data: object = {}, options: Options = {}): this {
    const event = { type, data: { executionId: 'e', ...data } } as unknown as ExecutionEvent;
    return this.put(options.stream ?? executionStream('acme', event.data.executionId), event, options);
  }

  begun(definition: WorkflowDefinition, facts: object = {}): this {
    return this.#own('ExecutionStarted', {
      workflow: REF,
      definition,
      input: null,
      tags: [],
      startedAt: this.iso,
      ...facts,
    });
  }

  /** The task of a unit, as `a`, `a[1]` or `~a`. */
  asked(unit: string, options: Options = {}, taskId = unit): this {
    const data = {
      taskId,
      pool: 'default',
      capability: 'translate',
      input: null,
      priority: 3,
      strategy: 'least_loaded',
      retry: DEFAULT_RETRY,
      timeoutMs: 1_000,
      tags: [],
      executionId: 'e',
      unit,
      submittedAt: this.iso,
    };
    return this.put(options.stream ?? IN_EXECUTION, { type: 'TaskSubmitted', data }, options);
  }

  /** A unit's task, given to an agent and done. */
  did(...units: readonly string[]): this {
    for (const unit of units) this.asked(unit).assigned(`${unit}→anna`).done(unit);
    return this;
  }

  /** A unit's task, given to an agent and failed permanently. */
  broke(unit: string, error: Partial<AttemptError> = {}): this {
    return this.asked(unit).assigned(`${unit}→anna`).gaveUp(unit, error);
  }

  gaveUp(unit: string, error: Partial<AttemptError> = {}): this {
    const stream = IN_EXECUTION;
    const commandId = `command-fail-${this.#count}`;
    const said = { ...TROUBLE, ...error };
    const facts = { taskId: unit, error: said, failedAt: this.iso };
    this.#task({ type: 'TaskAttemptFailed', data: { ...facts, attempt: 1, agentId: 'anna' } }, { stream, commandId });
    const ended = { ...facts, reason: 'attempts_exhausted' as const, attempts: 1 };
    return this.#task({ type: 'TaskFailed', data: ended }, { stream, commandId });
  }

  done(unit: string, attempt = 1): this {
    return this.completed(unit, attempt, 'anna', { stream: IN_EXECUTION });
  }

  /** An attempt that is to be followed by another. */
  tried(unit: string, attempt = 1): this {
    const facts = { taskId: unit, attempt, agentId: 'anna', error: TROUBLE, failedAt: this.iso, retryAt: this.iso };
    return this.#task({ type: 'TaskAttemptFailed', data: facts }, { stream: IN_EXECUTION });
  }

  lostIn(unit: string): this {
    const data = { taskId: unit, attempt: 1, agentId: 'anna', error: TROUBLE, occurredAt: this.iso };
    return this.#task({ type: 'TaskOutcomeUnknown', data }, { stream: IN_EXECUTION });
  }

  calledOff(unit: string, interrupted?: true): this {
    const data = { taskId: unit, cancelledAt: this.iso, ...(interrupted ? { interrupted } : {}) };
    return this.#task({ type: 'TaskCancelled', data }, { stream: IN_EXECUTION });
  }

  goesOn(unit: string, nextAttempt = 2): this {
    const data = {
      taskId: unit,
      pool: 'default',
      capability: 'translate',
      priority: 3,
      strategy: 'least_loaded',
      timeoutMs: 1_000,
      nextAttempt,
      executionId: 'e',
      unit,
      redrivenAt: this.iso,
    };
    return this.#task({ type: 'TaskRedriven', data }, { stream: IN_EXECUTION });
  }

  waits(stepId: string, facts: object = { kind: 'delay', dueAt: this.iso }): this {
    return this.#own('StepWaiting', { stepId, since: this.iso, ...facts });
  }

  stepDone(stepId: string, output: Json = null): this {
    return this.#own('StepCompleted', { stepId, output, completedAt: this.iso });
  }

  stepBroke(stepId: string): this {
    return this.#own('StepFailed', { stepId, error: TROUBLE, failedAt: this.iso });
  }

  stepSkipped(stepId: string, reason: 'condition' | 'dependencies' | 'person' = 'condition'): this {
    return this.#own('StepSkipped', { stepId, reason, skippedAt: this.iso });
  }

  expanded(stepId: string, items: readonly Json[]): this {
    return this.#own('StepExpanded', { stepId, items, expandedAt: this.iso });
  }

  signalled(name: string): this {
    return this.#own('ExecutionSignalled', { name, payload: null, signalledAt: this.iso });
  }

  paused(): this {
    return this.#own('ExecutionPaused', { pausedAt: this.iso });
  }

  resumed(): this {
    return this.#own('ExecutionResumed', { resumedAt: this.iso });
  }

  aborting(facts: Partial<DataOfExecution<'ExecutionAborting'>> = {}): this {
    return this.#own('ExecutionAborting', {
      reason: 'step_failed',
      compensate: true,
      strategy: 'backward',
      interrupt: false,
      abortedAt: this.iso,
      ...facts,
    });
  }

  compensating(...units: readonly string[]): this {
    return this.compensatingBy('backward', ...units);
  }

  compensatingBy(strategy: WorkflowDefinition['saga']['strategy'], ...units: readonly string[]): this {
    const plan = units.map((unit) => ({ unit, after: [] }));
    return this.#own('CompensationStarted', { strategy, plan, startedAt: this.iso });
  }

  compensationParked(unit: string): this {
    return this.#own('CompensationParked', { unit, error: TROUBLE, parkedAt: this.iso });
  }

  compensationSkipped(unit: string): this {
    return this.#own('CompensationSkipped', { unit, reason: 'done by hand', skippedAt: this.iso });
  }

  reopened(...steps: readonly string[]): this {
    return this.#own('ExecutionReopened', { steps, reopenedAt: this.iso });
  }

  migrated(definition: WorkflowDefinition, mapping: Readonly<Record<string, string | null>>): this {
    return this.#own('ExecutionMigrated', { from: REF, workflow: REF, definition, mapping, migratedAt: this.iso });
  }

  ended(how: 'Completed' | 'Failed' | 'Cancelled' | 'Compensated', facts: object = {}): this {
    return this.#own(`Execution${how}`, { ...SPENT, output: null, error: TROUBLE, ...facts });
  }

  compensationFailed(...parked: readonly string[]): this {
    return this.#own('ExecutionCompensationFailed', { parked, failedAt: this.iso });
  }
}
