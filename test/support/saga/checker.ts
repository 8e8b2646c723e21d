import type { ExecutionStreamEvent, TimeSpent } from '../../../src/domain/execution/events.ts';
import type { WorkflowDefinition } from '../../../src/domain/workflow/definition.ts';

type DataOf<Type extends ExecutionStreamEvent['type']> = Extract<ExecutionStreamEvent, { type: Type }>['data'];
type StepStatus = 'pending' | 'running' | 'waiting' | 'completed' | 'failed' | 'skipped' | 'cancelled';
type TaskDefinition = WorkflowDefinition['tasks'][number];

type TaskRecord = {
  readonly unit: string;
  attempt: number;
  status: 'open' | 'failed' | 'unknown' | 'completed' | 'cancelled';
};

/** What a task is for: a step, an item of one, or the compensation of either. */
type UnitRecord = {
  taskId: string | undefined;
  completed: boolean;
  uncertain: boolean;
  ended: boolean;
  /** Place in the log of the end that counts for the order of compensation. */
  endedAt: number;
};

type StepRecord = {
  readonly definition: TaskDefinition;
  readonly ancestors: ReadonlySet<string>;
  readonly descendants: ReadonlySet<string>;
  status: StepStatus;
  everStarted: boolean;
  /** Skipped by a person. */
  passedOver: boolean;
  /** Of a step that runs for a list: how many items, and which of them have ended. */
  items: number | undefined;
  readonly itemsEnded: Set<string>;
};

type CompensationRecord = {
  readonly after: readonly string[];
  parked: boolean;
  everParked: boolean;
  resolved: boolean;
};

const isCompensation = (unit: string): boolean => unit.startsWith('~');
const stepIdOf = (unit: string): string => unit.replace(/^~/, '').replace(/\[\d+\]$/, '');

const reach = (start: string, next: (id: string) => readonly string[]): Set<string> => {
  const reached = new Set<string>();
  const open = [...next(start)];
  for (let id = open.pop(); id !== undefined; id = open.pop())
    if (!reached.has(id)) {
      reached.add(id);
      open.push(...next(id));
    }
  return reached;
};

/**
 * Reads an execution's log and nothing else, and holds it against the invariants of sagas (S3, S5, S6, S8, S11, S12, S13). Shares no code
 * with the decider: what must be compensated and in which order is worked out from the events again, in another way.
 */
export class SagaChecker {
  readonly violations: string[] = [];
  readonly counters = new Map<string, number>();
  readonly #tasks = new Map<string, TaskRecord>();
  readonly #units = new Map<string, UnitRecord>();
  readonly #steps = new Map<string, StepRecord>();
  readonly #plan = new Map<string, CompensationRecord>();
  #saga: WorkflowDefinition['saga'] | undefined;
  #strategy: string | undefined;
  #startedMs = 0;
  #at = 0;
  #abort: DataOf<'ExecutionAborting'> | undefined;
  #pivotCompleted = false;
  #pivotUncertain = false;
  #rest: ExecutionStreamEvent['type'] | undefined;

  readonly #on: { readonly [Type in ExecutionStreamEvent['type']]?: (data: DataOf<Type>) => void } = {
    ExecutionStarted: (data) => this.#started(data),
    TaskSubmitted: (data) => this.#submitted(data),
    TaskRedriven: (data) => this.#redriven(data),
    TaskAttemptFailed: (data) => this.#attemptFailed(data),
    TaskCompleted: (data) => this.#taskCompleted(data),
    TaskFailed: (data) => this.#taskEnded({ type: 'TaskFailed', data }),
    TaskOutcomeUnknown: (data) => this.#taskEnded({ type: 'TaskOutcomeUnknown', data }),
    TaskCancelled: (data) => this.#taskEnded({ type: 'TaskCancelled', data }),
    StepExpanded: (data) => this.#expanded(data),
    StepWaiting: (data) => this.#waits(data),
    StepCompleted: ({ stepId }) => this.#stepCompleted(stepId),
    StepFailed: (data) => this.#stepFailed(data),
    StepSkipped: (data) => this.#skipped(data),
    ExecutionAborting: (data) => this.#aborting(data),
    CompensationStarted: (data) => this.#compensating(data),
    CompensationWaiting: ({ unit }) => {
      this.#beginCompensation(unit);
      this.#count('sub-workflow compensated');
    },
    CompensationCompleted: ({ unit }) => this.#compensationResolved(unit, 'done'),
    CompensationParked: ({ unit }) => this.#parked(unit),
    CompensationSkipped: ({ unit }) => this.#compensationResolved(unit, 'skipped'),
    ExecutionReopened: ({ steps }) => this.#reopened(steps),
    ExecutionCompleted: (data) => this.#completed(data),
    ExecutionFailed: (data) => this.#gaveUp('ExecutionFailed', data, data.failedAt),
    ExecutionCancelled: (data) => this.#gaveUp('ExecutionCancelled', data, data.cancelledAt),
    ExecutionCompensated: (data) => this.#compensated(data),
    ExecutionCompensationFailed: ({ parked }) => this.#compensationFailed(parked),
  };

  read(log: readonly ExecutionStreamEvent[]): this {
    for (const [at, event] of log.entries()) {
      this.#at = at;
      this.#take(event);
    }
    this.#checkEnd();
    return this;
  }

  #count(what: string): void {
    this.counters.set(what, (this.counters.get(what) ?? 0) + 1);
  }

  #claim(holds: boolean, invariant: string, what: string): void {
    if (!holds) this.violations.push(`${invariant} at ${this.#at}: ${what}`);
  }

  #step(id: string): StepRecord {
    const step = this.#steps.get(id);
    if (step === undefined) throw new Error(`the log names a step ${id} that the definition does not have`);
    return step;
  }

  #unit(key: string): UnitRecord {
    const known = this.#units.get(key);
    if (known) return known;
    const unit = { taskId: undefined, completed: false, uncertain: false, ended: false, endedAt: -1 };
    this.#units.set(key, unit);
    return unit;
  }

  #take(event: ExecutionStreamEvent): void {
    const finished = ['ExecutionCompleted', 'ExecutionCancelled', 'ExecutionCompensated'].includes(this.#rest ?? '');
    this.#claim(!finished || event.type === 'TaskCompleted', 'end', `${event.type} after ${this.#rest}`);
    const take = this.#on[event.type] as ((data: ExecutionStreamEvent['data']) => void) | undefined;
    if (take) take(event.data);
    else this.#count(event.type);
  }

  #waits({ stepId, kind }: DataOf<'StepWaiting'>): void {
    this.#beginStep(stepId);
    this.#step(stepId).status = 'waiting';
    this.#count(`waits for ${kind}`);
  }

  #stepFailed({ stepId, error }: DataOf<'StepFailed'>): void {
    this.#step(stepId).status = 'failed';
    this.#count(`step failed: ${error.code}`);
  }

  #completed(data: DataOf<'ExecutionCompleted'>): void {
    for (const [id, step] of this.#steps)
      this.#claim(this.#isSatisfied(step), 'end', `completed, and ${id} is ${step.status}`);
    this.#ended('ExecutionCompleted', data, data.completedAt);
  }

  #compensated(data: DataOf<'ExecutionCompensated'>): void {
    for (const [unit, { resolved }] of this.#plan)
      this.#claim(resolved, 'S11', `${unit} is not compensated at the end`);
    this.#claim(data.compensated + data.skipped === this.#plan.size, 'S11', 'the numbers do not add up');
    if ([...this.#plan.values()].some(({ everParked }) => everParked)) this.#count('compensated after parking');
    this.#ended('ExecutionCompensated', data, data.compensatedAt);
  }

  #started({ definition, startedAt }: DataOf<'ExecutionStarted'>): void {
    this.#saga = definition.saga;
    this.#startedMs = Date.parse(startedAt);
    const tasks = new Map(definition.tasks.map((task) => [task.id, task]));
    const dependantsOf = (id: string): string[] =>
      definition.tasks.filter(({ dependsOn }) => dependsOn.includes(id)).map((task) => task.id);
    for (const task of definition.tasks)
      this.#steps.set(task.id, {
        definition: task,
        ancestors: reach(task.id, (id) => tasks.get(id)?.dependsOn ?? []),
        descendants: reach(task.id, dependantsOf),
        status: 'pending',
        everStarted: false,
        passedOver: false,
        items: undefined,
        itemsEnded: new Set(),
      });
  }

  #isSatisfied({ status, definition }: StepRecord): boolean {
    return status === 'completed' || status === 'skipped' || (status === 'failed' && definition.onFailure !== 'fail');
  }

  /** Gives nothing to what depends on it. */
  #isSkipped({ status, passedOver, definition }: StepRecord): boolean {
    return (status === 'skipped' && !passedOver) || (status === 'failed' && definition.onFailure === 'skip');
  }

  /** S8 and S13, and that a step which is cut off does not start. */
  #beginStep(id: string): void {
    const step = this.#step(id);
    const dependencies = step.definition.dependsOn.map((dependency) => this.#step(dependency));
    for (const dependency of dependencies)
      this.#claim(
        this.#isSatisfied(dependency),
        'S8',
        `${id} starts and ${dependency.definition.id} is ${dependency.status}`,
      );
    this.#claim(this.#abort === undefined, 'S13', `${id} starts although the execution is aborting`);
    const cutOff = dependencies.length > 0 && dependencies.every((dependency) => this.#isSkipped(dependency));
    this.#claim(step.everStarted || !cutOff, 'cut off', `${id} starts although all it depends on was skipped`);
    step.everStarted = true;
  }

  #submitted({ taskId, unit = '' }: DataOf<'TaskSubmitted'>): void {
    this.#claim(!this.#tasks.has(taskId), 'S3', `task ${taskId} is submitted twice`);
    this.#openTask(taskId, unit, 1);
    const step = this.#step(stepIdOf(unit));
    if (!isCompensation(unit) && step.items === undefined) step.status = 'running';
  }

  #openTask(taskId: string, unit: string, attempt: number): void {
    const record = this.#unit(unit);
    const present = record.taskId === undefined ? undefined : this.#tasks.get(record.taskId);
    this.#claim(present?.status !== 'open', 'S3', `${unit} is started while it is worked on`);
    this.#claim(!record.completed, 'S3', `${unit} is started again after it completed`);
    if (isCompensation(unit)) this.#beginCompensation(unit.slice(1));
    else this.#beginStep(stepIdOf(unit));
    record.taskId = taskId;
    record.ended = false;
    this.#tasks.set(taskId, { unit, attempt, status: 'open' });
  }

  #redriven({ taskId, nextAttempt }: DataOf<'TaskRedriven'>): void {
    const task = this.#task(taskId);
    this.#claim(
      task.status === 'failed' || task.status === 'unknown',
      'S3',
      `${task.unit} is redriven: ${task.status}`,
    );
    const next = task.status === 'unknown' ? task.attempt + 1 : task.attempt;
    this.#claim(nextAttempt === next, 'S5', `${task.unit} goes on with attempt ${nextAttempt}, not ${next}`);
    this.#openTask(taskId, task.unit, nextAttempt);
    const step = this.#step(stepIdOf(task.unit));
    if (!isCompensation(task.unit) && step.items === undefined) step.status = 'running';
    this.#count(isCompensation(task.unit) ? 'compensation redriven' : 'step redriven');
  }

  #task(taskId: string): TaskRecord {
    const task = this.#tasks.get(taskId);
    if (task === undefined) throw new Error(`the log goes on about a task ${taskId} that was never submitted`);
    return task;
  }

  #attemptFailed({ taskId, attempt, error }: DataOf<'TaskAttemptFailed'>): void {
    const task = this.#task(taskId);
    this.#claim(task.status === 'open', 'S3', `an attempt of ${task.unit} fails after its end: ${task.status}`);
    this.#claim(attempt === task.attempt, 'S5', `${task.unit} closes attempt ${attempt}, not ${task.attempt}`);
    task.attempt += 1;
    if (error.outcomeUnknown) this.#doubt(task.unit);
  }

  #doubt(unit: string): void {
    this.#unit(unit).uncertain = true;
    if (!isCompensation(unit) && this.#step(stepIdOf(unit)).definition.pivot) this.#pivotUncertain = true;
  }

  #taskCompleted({ taskId, attempt }: DataOf<'TaskCompleted'>): void {
    const task = this.#task(taskId);
    const late = task.status === 'unknown';
    this.#claim(task.status === 'open' || late, 'S3', `${task.unit} completes after its end: ${task.status}`);
    this.#claim(attempt === task.attempt, 'S6', `${task.unit} completes by attempt ${attempt}, not ${task.attempt}`);
    task.status = 'completed';
    const unit = this.#unit(task.unit);
    unit.completed = true;
    unit.ended = true;
    if (!late) unit.endedAt = this.#at;
    if (late)
      this.#count(
        isCompensation(task.unit)
          ? 'late compensation'
          : this.#plan.size > 0
            ? 'late, already compensated'
            : 'late step',
      );
    if (!isCompensation(task.unit)) this.#unitCompleted(task.unit);
    else if (this.#plan.get(task.unit.slice(1))?.resolved !== true || !late)
      this.#compensationResolved(task.unit.slice(1), 'done');
  }

  #unitCompleted(key: string): void {
    const step = this.#step(stepIdOf(key));
    if (step.definition.pivot) this.#pivotCompleted = true;
    // Nothing goes on from a step that has been compensated.
    if (this.#plan.size > 0 && step.status === 'failed') return;
    if (step.items === undefined) step.status = 'completed';
    else this.#itemEnded(step, key);
  }

  #itemEnded(step: StepRecord, key: string): void {
    step.itemsEnded.add(key);
    if (step.itemsEnded.size === step.items && step.status !== 'skipped') step.status = 'completed';
  }

  #taskEnded({
    type,
    data,
  }: Extract<ExecutionStreamEvent, { type: 'TaskFailed' | 'TaskOutcomeUnknown' | 'TaskCancelled' }>): void {
    const task = this.#task(data.taskId);
    this.#claim(task.status === 'open', 'S3', `${task.unit}: ${type} after its end: ${task.status}`);
    task.status = type === 'TaskFailed' ? 'failed' : type === 'TaskCancelled' ? 'cancelled' : 'unknown';
    const unit = this.#unit(task.unit);
    unit.ended = true;
    unit.endedAt = this.#at;
    if (type === 'TaskOutcomeUnknown' || (type === 'TaskCancelled' && data.interrupted)) this.#doubt(task.unit);
    this.#count(type === 'TaskCancelled' && data.interrupted ? 'TaskCancelled, interrupted' : type);
    if (isCompensation(task.unit)) return;
    const step = this.#step(stepIdOf(task.unit));
    if (type === 'TaskCancelled') step.status = 'cancelled';
    else if (step.items === undefined || step.definition.onFailure === 'fail') step.status = 'failed';
    else this.#itemEnded(step, task.unit);
  }

  #expanded({ stepId, items }: DataOf<'StepExpanded'>): void {
    this.#beginStep(stepId);
    const step = this.#step(stepId);
    step.items = items.length;
    step.status = items.length === 0 ? 'completed' : 'running';
    this.#count(items.length === 0 ? 'empty list' : 'list');
  }

  #stepCompleted(id: string): void {
    const step = this.#step(id);
    this.#claim(step.status === 'waiting', 'S3', `${id} completes its wait, and it is ${step.status}`);
    step.status = 'completed';
    if (step.definition.workflow) Object.assign(this.#unit(id), { completed: true, ended: true, endedAt: this.#at });
  }

  #skipped({ stepId, reason }: DataOf<'StepSkipped'>): void {
    const step = this.#step(stepId);
    const dependencies = step.definition.dependsOn.map((id) => this.#step(id));
    if (reason === 'dependencies')
      this.#claim(
        dependencies.length > 0 && dependencies.every((dependency) => this.#isSkipped(dependency)),
        'cut off',
        `${stepId} is skipped although something that it depends on was done`,
      );
    step.status = 'skipped';
    step.passedOver = reason === 'person';
    this.#count(`skipped: ${reason}`);
  }

  #aborting(data: DataOf<'ExecutionAborting'>): void {
    const first = this.#abort === undefined;
    this.#abort = data;
    this.#rest = undefined;
    for (const step of this.#steps.values())
      if (step.status === 'waiting' && step.definition.workflow === undefined) step.status = 'cancelled';
    if (this.#pivotCompleted) this.#count('aborting after the pivot');
    this.#claim(!(first && data.compensate && this.#pivotCompleted), 'S13', 'is to be compensated after the pivot');
    this.#count(`aborting: ${data.reason}${data.compensate ? ', to be compensated' : ''}`);
  }

  #reopened(ids: readonly string[]): void {
    this.#claim(this.#rest === 'ExecutionFailed', 'end', 'reopened although it had not failed');
    this.#abort = undefined;
    this.#rest = undefined;
    for (const id of ids) {
      const step = this.#step(id);
      step.status = 'pending';
      step.itemsEnded.clear();
      for (const [key, { completed }] of this.#units) if (stepIdOf(key) === id && completed) step.itemsEnded.add(key);
    }
    this.#count('ExecutionReopened');
  }

  /** Completed or in doubt, and with a compensation. */
  #compensable(): Map<string, UnitRecord> {
    return new Map(
      [...this.#units].filter(
        ([key, { completed, uncertain, ended }]) =>
          !isCompensation(key) && ended && (completed || uncertain) && this.#canBeCompensated(key),
      ),
    );
  }

  /** A sub-workflow without a compensation of its own is compensated as a whole. */
  #canBeCompensated(key: string): boolean {
    const { compensation, workflow } = this.#step(stepIdOf(key)).definition;
    return compensation !== undefined || workflow !== undefined;
  }

  #isConcerned(key: string, strategy: string): boolean {
    const id = stepIdOf(key);
    const { definition } = this.#step(id);
    const { select, scope } = this.#saga as WorkflowDefinition['saga'];
    if (strategy === 'selective')
      return (
        definition.compensate || select.tasks.includes(id) || definition.tags.some((tag) => select.tags.includes(tag))
      );
    const failed = this.#abort?.unit;
    if (strategy !== 'cascade' || scope === 'all' || failed === undefined) return true;
    const basis = new Set([stepIdOf(failed), ...this.#step(stepIdOf(failed)).ancestors]);
    return [...basis].some((ground) => ground === id || this.#step(ground).descendants.has(id));
  }

  #toCompensate(): Map<string, UnitRecord> {
    if (!this.#abort?.compensate || this.#pivotCompleted || this.#pivotUncertain) return new Map();
    const { strategy } = this.#abort;
    return new Map([...this.#compensable()].filter(([key]) => this.#isConcerned(key, strategy)));
  }

  #gaveUp(type: 'ExecutionFailed' | 'ExecutionCancelled', time: TimeSpent, at: string): void {
    this.#claim(this.#plan.size === 0, 'S11', 'ends as failed or cancelled after compensation began');
    this.#claim(
      this.#toCompensate().size === 0,
      'S11',
      `ends without compensating ${[...this.#toCompensate().keys()].join(', ')}`,
    );
    if (this.#abort?.compensate && this.#pivotCompleted) this.#count('no way back after the pivot');
    if (this.#abort?.compensate && !this.#pivotCompleted && this.#pivotUncertain) this.#count('pivot in doubt');
    this.#ended(type, time, at);
  }

  #compensating({ plan, strategy }: DataOf<'CompensationStarted'>): void {
    this.#claim(!this.#pivotCompleted, 'S13', 'compensates after the pivot');
    this.#claim(!this.#pivotUncertain, 'S13', 'compensates although the pivot may have taken effect');
    this.#claim(strategy === this.#abort?.strategy, 'S11', `compensates ${strategy}`);
    const required = [...this.#toCompensate().keys()].sort();
    const planned = plan.map(({ unit }) => unit);
    this.#claim(
      required.join() === [...planned].sort().join(),
      'S11',
      `must compensate ${required.join(', ')} and compensates ${planned.join(', ')}`,
    );
    this.#strategy = strategy;
    for (const { unit, after } of plan)
      this.#plan.set(unit, { after, parked: false, everParked: false, resolved: false });
    for (const [key, { completed }] of this.#compensable())
      if (!completed && this.#plan.has(key)) this.#count('compensates in doubt');
    this.#count(`compensates ${strategy}`);
  }

  /** Whether a compensation may begin before another has ended: a failed one is not waited for, if the definition says so. */
  #isOutOfTheWay(key: string): boolean {
    const compensation = this.#plan.get(key);
    if (compensation === undefined) return true;
    return compensation.resolved || (compensation.everParked && this.#saga?.onCompensationFailure === 'continue');
  }

  #mustComeBefore(key: string, other: string): boolean {
    const [unit, before] = [this.#unit(key), this.#unit(other)];
    switch (this.#strategy) {
      case 'forward':
        return before.endedAt < unit.endedAt;
      case 'backward':
      case 'selective':
        return before.endedAt > unit.endedAt;
      default:
        return false;
    }
  }

  #beginCompensation(key: string): void {
    const compensation = this.#plan.get(key);
    this.#claim(compensation !== undefined, 'S11', `${key} is compensated but needs no compensation`);
    this.#claim(compensation?.resolved !== true, 'S11', `${key} is compensated twice`);
    for (const before of compensation?.after ?? [])
      this.#claim(this.#isOutOfTheWay(before), 'plan', `${key} is compensated before ${before}, against the plan`);
    const { descendants } = this.#step(stepIdOf(key));
    for (const other of this.#plan.keys()) {
      if (other === key || this.#isOutOfTheWay(other)) continue;
      const inOrder = this.#strategy === 'forward' || this.#strategy === 'parallel';
      this.#claim(
        inOrder || !descendants.has(stepIdOf(other)),
        'S12',
        `${key} is compensated before ${other}, which depends on it`,
      );
      this.#claim(!this.#mustComeBefore(key, other), this.#strategy ?? '', `${key} is compensated before ${other}`);
    }
    if (compensation) compensation.parked = false;
  }

  #parked(key: string): void {
    const compensation = this.#plan.get(key);
    this.#claim(compensation?.resolved === false, 'S11', `${key} is parked but needs no compensation`);
    if (compensation) Object.assign(compensation, { parked: true, everParked: true });
    this.#count('parked');
  }

  #compensationResolved(key: string, how: 'done' | 'skipped'): void {
    const compensation = this.#plan.get(key);
    this.#claim(compensation?.resolved === false, 'S11', `${key} is ${how} but needs no compensation (any more)`);
    this.#claim(how === 'done' || compensation?.parked === true, 'S11', `${key} is skipped but was not parked`);
    if (compensation) Object.assign(compensation, { resolved: true, parked: false });
    this.#count(`compensation ${how}`);
  }

  #compensationFailed(parked: readonly string[]): void {
    const actual = [...this.#plan].filter(([, { parked: isParked }]) => isParked).map(([unit]) => unit);
    this.#claim(actual.sort().join() === [...parked].sort().join(), 'S11', `parked are ${actual.join(', ')}`);
    this.#rest = 'ExecutionCompensationFailed';
    this.#count('ExecutionCompensationFailed');
  }

  #ended(type: ExecutionStreamEvent['type'], time: TimeSpent, at: string): void {
    this.#rest = type;
    const { durationMs, agentMs, waitMs, overheadMs } = time;
    this.#claim(durationMs === Date.parse(at) - this.#startedMs, 'time', `${durationMs} ms is not how long it took`);
    this.#claim(agentMs + waitMs + overheadMs === durationMs, 'time', 'the parts do not add up');
    this.#claim(Math.min(agentMs, waitMs, overheadMs) >= 0, 'time', 'a part is negative');
    const open = [...this.#tasks.values()].filter(({ status }) => status === 'open');
    this.#claim(open.length === 0, 'end', `${type}, and ${open.map(({ unit }) => unit).join(', ')} is worked on`);
    this.#count(type);
  }

  /** Nothing is left to do: the execution has ended, or records why it does not continue. */
  #checkEnd(): void {
    if (this.#rest === 'ExecutionCompensationFailed') {
      const open = [...this.#plan].filter(([, { resolved, parked: waits }]) => !resolved && !waits);
      for (const [key, { after }] of open)
        this.#claim(
          after.some((before) => !this.#isOutOfTheWay(before)),
          'stuck',
          `${key} could be compensated`,
        );
      this.#claim(
        [...this.#plan.values()].some(({ parked }) => parked),
        'stuck',
        'nothing is parked',
      );
      this.#count('rests as compensation_failed');
      return;
    }
    this.#claim(this.#rest !== undefined, 'stuck', 'nothing is left to do, and it has not ended');
    if (this.#rest === 'ExecutionFailed') this.#count('rests as failed');
  }
}
