import type { Delivery } from '../domain/agent/events.ts';
import type { DomainEvent } from '../domain/events.ts';
import { executionStream, taskStream } from '../domain/ids.ts';
import type { Assignment } from '../domain/pool/events.ts';
import type { TaskEvent } from '../domain/task/events.ts';
import type { Position, StoredEvent } from '../eventstore/event-store.ts';
import type { Violations } from './violations.ts';

type LifecycleType = TaskEvent['type'];

/**
 * `closing`: its last attempt has failed permanently; its dead letter (or its failure, if an execution runs it) is in the same append.
 * `failed`: the end of a task of an execution, unless the execution is retried.
 */
export type TaskEntryStatus = 'open' | 'closing' | 'indeterminate' | 'parked' | 'failed' | 'completed' | 'cancelled';

/** The transition table (S4), written from the requirements and not from the product's code. */
const NEXT: Readonly<Record<TaskEntryStatus | 'none', Partial<Record<LifecycleType, TaskEntryStatus>>>> = {
  none: { TaskSubmitted: 'open' },
  open: {
    TaskAttemptStarted: 'open',
    TaskProgressReported: 'open',
    TaskAttemptFailed: 'open',
    TaskUnblocked: 'open',
    TaskOutcomeUnknown: 'indeterminate',
    TaskCompleted: 'completed',
    TaskDeadLettered: 'parked',
    TaskCancelled: 'cancelled',
  },
  closing: { TaskDeadLettered: 'parked', TaskFailed: 'failed' },
  indeterminate: { TaskCompleted: 'completed', TaskRedriven: 'open', TaskCancelled: 'cancelled' },
  parked: { TaskRedriven: 'open', TaskCancelled: 'cancelled' },
  failed: { TaskRedriven: 'open' },
  completed: {},
  cancelled: {},
};

const LIFECYCLE: ReadonlySet<string> = new Set(Object.values(NEXT).flatMap((row) => Object.keys(row)));
/** Events that end an attempt and name the agent that ran it. */
const OUTCOMES: ReadonlySet<string> = new Set(['TaskCompleted', 'TaskAttemptFailed', 'TaskOutcomeUnknown']);
const ENDED: ReadonlySet<TaskEntryStatus> = new Set(['completed', 'cancelled']);

export type TaskEntry = {
  readonly tenant: string;
  readonly taskId: string;
  readonly pool: string;
  /** The execution that runs it, in whose stream it is. */
  readonly executionId: string | undefined;
  status: TaskEntryStatus;
  /** Tasks that must complete before an agent gets it. */
  waitsFor: readonly string[];
  /** An agent may have done the work of an attempt that did not complete. */
  uncertain: boolean;
  /** The attempt that runs or may run; the last one if the task does not run. */
  attempt: number;
  failures: number;
  startedAttempt: number;
  /** The latest attempt that the ledger assigned, and its agent. */
  given: { readonly attempt: number; readonly agentId: string } | undefined;
  /** The agent that holds a slot for it now. */
  holder: AgentEntry | undefined;
};

export type AgentEntry = {
  readonly agentId: string;
  delivery: Delivery;
  limit: number;
  /** A former, higher limit still counts for a while: a decision made under it may reach the log later. */
  former: { readonly limit: number; readonly untilMs: number };
  open: number;
};

export type BookCounts = {
  tasks: number;
  completed: number;
  cancelled: number;
  parked: number;
  failed: number;
  indeterminate: number;
  redriven: number;
  attemptsFailed: number;
  lateCompletions: number;
  assignments: number;
  voidAssignments: number;
  writersElected: number;
};

const keyOf = (tenant: string, id: string): string => `${tenant}/${id}`;

/**
 * Tasks, agents and who holds what, at every position of the log: S3 to S7, checked event by event. Shares no code with
 * the product's deciders and its pool ledger.
 */
export class TaskBook {
  readonly tasks = new Map<string, TaskEntry>();
  readonly agents = new Map<string, AgentEntry>();
  /** Every attempt that the ledger assigned, void or not: `tenant/task/attempt/agent`. */
  readonly given = new Set<string>();
  readonly counts: BookCounts = {
    tasks: 0,
    completed: 0,
    cancelled: 0,
    parked: 0,
    failed: 0,
    indeterminate: 0,
    redriven: 0,
    attemptsFailed: 0,
    lateCompletions: 0,
    assignments: 0,
    voidAssignments: 0,
    writersElected: 0,
  };
  readonly #violations: Violations;
  readonly #limitGraceMs: number;

  constructor(violations: Violations, limitGraceMs: number) {
    this.#violations = violations;
    this.#limitGraceMs = limitGraceMs;
  }

  task(tenant: string, taskId: string): TaskEntry | undefined {
    return this.tasks.get(keyOf(tenant, taskId));
  }

  /** The task that an event of the task lifecycle is about. */
  taskOf({ type, data, metadata }: StoredEvent): TaskEntry | undefined {
    return LIFECYCLE.has(type) ? this.task(metadata.tenant, (data as { readonly taskId: string }).taskId) : undefined;
  }

  /** It waits for a task that is parked or indeterminate, however far around: nothing more is expected of it. */
  isHeldUp({ tenant, status, waitsFor }: TaskEntry): boolean {
    const dependencies = waitsFor.flatMap((taskId) => this.task(tenant, taskId) ?? []);
    if (status !== 'open' || dependencies.some((task) => task.status === 'cancelled' || task.status === 'failed'))
      return false;
    return dependencies.some(
      (task) => task.status === 'parked' || task.status === 'indeterminate' || this.isHeldUp(task),
    );
  }

  agent(tenant: string, agentId: string): AgentEntry | undefined {
    return this.agents.get(keyOf(tenant, agentId));
  }

  /** Returns whether this book knows events of this type. */
  take(stored: StoredEvent): boolean {
    const event = { type: stored.type, data: stored.data } as DomainEvent;
    if (LIFECYCLE.has(event.type)) {
      this.#lifecycle(stored, event as TaskEvent);
      return true;
    }
    switch (event.type) {
      case 'TasksAssigned':
        for (const assignment of event.data.assignments) this.#assigned(stored, event.data.pool, assignment);
        return true;
      case 'PoolWriterElected':
        this.counts.writersElected += 1;
        return true;
      case 'AgentRegistered':
      case 'AgentReconfigured':
        this.#configured(stored, event.data);
        return true;
      case 'AgentHealthChanged':
      case 'AgentWarmUpEnded':
      case 'AgentMaintenanceStarted':
      case 'AgentMaintenanceEnded':
      case 'AgentDrainStarted':
      case 'AgentDrainEnded':
      case 'AgentDeregistered':
      case 'ClusterCreated':
      case 'WorkflowPublished':
      case 'WorkflowDeprecated':
      case 'WorkflowArchived':
        return true;
      default:
        return false;
    }
  }

  #lifecycle(stored: StoredEvent, event: TaskEvent): void {
    const { position } = stored;
    const { tenant } = stored.metadata;
    const { taskId } = event.data;
    const task = this.task(tenant, taskId);
    const from = task?.status ?? 'none';
    if (ENDED.has(from as TaskEntryStatus)) {
      this.#violations.add('S3', `task ${taskId} was ${from}, but ${event.type} follows`, position);
      return;
    }
    this.#checkStream(stored, event, task);
    const to = NEXT[from][event.type];
    if (to === undefined) {
      this.#violations.add('S4', `${event.type} of task ${taskId} is not allowed from ${from}`, position);
      return;
    }
    if (event.type === 'TaskSubmitted') this.#submit(tenant, event.data);
    else if (task) this.#step(task, event, to, position);
  }

  /** S4: a task of an execution is in the execution's stream and fails there; any other has its own stream and a dead letter. */
  #checkStream({ stream, position, metadata: { tenant } }: StoredEvent, event: TaskEvent, task?: TaskEntry): void {
    const { taskId } = event.data;
    const executionId = event.type === 'TaskSubmitted' ? event.data.executionId : task?.executionId;
    const expected = executionId === undefined ? taskStream(tenant, taskId) : executionStream(tenant, executionId);
    if (stream !== expected)
      this.#violations.add('S4', `${event.type} of task ${taskId} is in ${stream}, not in ${expected}`, position);
    const foreign = executionId === undefined ? 'TaskFailed' : 'TaskDeadLettered';
    if (event.type === foreign)
      this.#violations.add('S4', `${event.type} does not end a task in ${expected}`, position);
  }

  #submit(tenant: string, facts: Extract<TaskEvent, { type: 'TaskSubmitted' }>['data']): void {
    const { taskId, pool, executionId, waitsFor = [] } = facts;
    this.counts.tasks += 1;
    this.tasks.set(keyOf(tenant, taskId), {
      tenant,
      taskId,
      pool,
      executionId,
      status: 'open',
      waitsFor,
      uncertain: false,
      attempt: 1,
      failures: 0,
      startedAttempt: 0,
      given: undefined,
      holder: undefined,
    });
  }

  #step(task: TaskEntry, event: TaskEvent, to: TaskEntryStatus, position: Position): void {
    if ('attempt' in event.data) this.#checkAttempt(task, event.type, event.data, position);
    switch (event.type) {
      case 'TaskAttemptStarted':
        if (task.startedAttempt === task.attempt)
          this.#violations.add('S4', `attempt ${task.attempt} of task ${task.taskId} started twice`, position);
        task.startedAttempt = task.attempt;
        return;
      case 'TaskProgressReported':
        return;
      case 'TaskUnblocked':
        this.#unblock(task, position);
        return;
      case 'TaskAttemptFailed':
        this.counts.attemptsFailed += 1;
        task.failures += 1;
        task.uncertain ||= event.data.error.outcomeUnknown === true;
        this.#release(task);
        if (event.data.retryAt === undefined) task.status = 'closing';
        else task.attempt = event.data.attempt + 1;
        return;
      case 'TaskDeadLettered':
        if (task.status === 'open' && event.data.reason !== 'deadline_passed')
          this.#violations.add(
            'S4',
            `task ${task.taskId} is dead-lettered while attempt ${task.attempt} is open`,
            position,
          );
        break;
      case 'TaskRedriven':
        this.#checkRedrive(task, event.data.nextAttempt, position);
        task.attempt = event.data.nextAttempt;
        if ((event.data.waitsFor ?? []).join() !== task.waitsFor.join())
          this.#violations.add('S4', `task ${task.taskId} is redriven and forgets what it waits for`, position);
        break;
      case 'TaskCompleted':
        if (task.status === 'indeterminate') this.counts.lateCompletions += 1;
        break;
      case 'TaskOutcomeUnknown':
        task.uncertain = true;
        break;
      case 'TaskCancelled':
        // Whatever the event says: the agent that holds it may have done it.
        task.uncertain ||= task.holder !== undefined || event.data.interrupted === true;
        break;
      default:
    }
    this.#release(task);
    task.status = to;
    this.#count(event.type);
  }

  /** S4: once, and only when all that it waits for has completed. */
  #unblock(task: TaskEntry, position: Position): void {
    const { tenant, taskId, waitsFor } = task;
    if (waitsFor.length === 0)
      this.#violations.add('S4', `task ${taskId} is unblocked although it waits for nothing`, position);
    for (const dependency of waitsFor)
      if (this.task(tenant, dependency)?.status !== 'completed')
        this.#violations.add('S4', `task ${taskId} is unblocked before task ${dependency} has completed`, position);
    task.waitsFor = [];
  }

  #count(type: LifecycleType): void {
    if (type === 'TaskCompleted') this.counts.completed += 1;
    if (type === 'TaskCancelled') this.counts.cancelled += 1;
    if (type === 'TaskDeadLettered') this.counts.parked += 1;
    if (type === 'TaskFailed') this.counts.failed += 1;
    if (type === 'TaskOutcomeUnknown') this.counts.indeterminate += 1;
    if (type === 'TaskRedriven') this.counts.redriven += 1;
  }

  /** S6: only the current attempt writes, and its outcome comes from the agent that the ledger assigned it to. */
  #checkAttempt(
    task: TaskEntry,
    type: LifecycleType,
    data: { readonly attempt: number; readonly agentId?: string | undefined },
    position: Position,
  ): void {
    const { taskId, attempt, given } = task;
    if (data.attempt !== attempt)
      this.#violations.add(
        'S6',
        `${type} of task ${taskId} comes from attempt ${data.attempt}, the current one is ${attempt}`,
        position,
      );
    else if (
      OUTCOMES.has(type) &&
      data.agentId !== undefined &&
      (given?.attempt !== attempt || given.agentId !== data.agentId)
    )
      this.#violations.add(
        'S6',
        `${type} of task ${taskId} comes from ${data.agentId}, but attempt ${attempt} was assigned to ${given?.attempt === attempt ? given.agentId : 'nobody'}`,
        position,
      );
  }

  /** S5: attempt numbers continue after a redrive; no two retry budgets share one. */
  #checkRedrive({ taskId, attempt }: TaskEntry, next: number, position: Position): void {
    if (next !== attempt + 1)
      this.#violations.add('S5', `task ${taskId} continues with attempt ${next} after attempt ${attempt}`, position);
  }

  /** S5 and S7. An assignment of an attempt that had closed by this position is void: it holds no slot. */
  #assigned(stored: StoredEvent, pool: string, { taskId, attempt, agentId }: Assignment): void {
    const { position } = stored;
    const { tenant } = stored.metadata;
    const task = this.task(tenant, taskId);
    this.counts.assignments += 1;
    this.given.add(`${keyOf(tenant, taskId)}/${attempt}/${agentId}`);
    const wrong = (what: string): void =>
      this.#violations.add('S5', `attempt ${attempt} of task ${taskId} is assigned ${what}`, position);
    if (!task) {
      wrong('before the task is submitted');
      return;
    }
    if (task.waitsFor.length > 0 && task.status === 'open') wrong('before the tasks that it depends on have completed');
    if (task.pool !== pool) wrong(`in pool ${pool}, but the task is in ${task.pool}`);
    if (attempt > task.attempt) wrong(`while attempt ${task.attempt} is the current one`);
    if (attempt !== task.attempt || task.status !== 'open') {
      this.counts.voidAssignments += 1;
      return;
    }
    if (task.holder) {
      wrong(`to ${agentId}, but ${task.holder.agentId} holds it`);
      return;
    }
    task.given = { attempt, agentId };
    this.#hold(task, tenant, agentId, stored);
  }

  #hold(task: TaskEntry, tenant: string, agentId: string, { position, metadata }: StoredEvent): void {
    const agent = this.agent(tenant, agentId);
    if (!agent) {
      this.#violations.add('S7', `attempts are assigned to ${agentId}, which never registered`, position);
      return;
    }
    agent.open += 1;
    task.holder = agent;
    const formerLimit = Date.parse(metadata.at) <= agent.former.untilMs ? agent.former.limit : 0;
    const limit = Math.max(agent.limit, formerLimit);
    if (agent.open > limit)
      this.#violations.add('S7', `${agentId} holds ${agent.open} attempts, its limit is ${limit}`, position);
  }

  #release(task: TaskEntry): void {
    if (task.holder) task.holder.open -= 1;
    task.holder = undefined;
  }

  #configured(
    { metadata }: StoredEvent,
    {
      agentId,
      maxConcurrency,
      delivery,
    }: { readonly agentId: string; readonly maxConcurrency: number; readonly delivery: Delivery },
  ): void {
    const agent = this.agent(metadata.tenant, agentId);
    if (!agent) {
      const former = { limit: 0, untilMs: Number.NEGATIVE_INFINITY };
      this.agents.set(keyOf(metadata.tenant, agentId), { agentId, delivery, limit: maxConcurrency, former, open: 0 });
      return;
    }
    const nowMs = Date.parse(metadata.at);
    const stillFormer = nowMs <= agent.former.untilMs ? agent.former.limit : 0;
    if (maxConcurrency < agent.limit)
      agent.former = { limit: Math.max(agent.limit, stillFormer), untilMs: nowMs + this.#limitGraceMs };
    agent.limit = maxConcurrency;
    agent.delivery = delivery;
  }
}
