import type { z } from 'zod';
import type { ExecutionCommand, StartExecution } from '../../src/domain/execution/commands.ts';
import { executionDecider } from '../../src/domain/execution/decider.ts';
import type { ExecutionStreamEvent } from '../../src/domain/execution/events.ts';
import { type Execution, type Running, type StepPhase, statusOf } from '../../src/domain/execution/state.ts';
import type { Json } from '../../src/domain/json.ts';
import type { AttemptError } from '../../src/domain/task/events.ts';
import { WorkflowDefinition } from '../../src/domain/workflow/definition.ts';

export type DefinitionInput = z.input<typeof WorkflowDefinition>;
export type TaskInput = DefinitionInput['tasks'][number];
type Told<Command> = Command extends unknown ? Omit<Command, 'now'> : never;

export const EXECUTION = '7c9e6679-7425-5e0d-9a5b-6f1f0a7d3c21';
const START = Date.parse('2026-03-01T12:00:00.000Z');

/** A step that an agent does and that is tried once. */
export const step = (id: string, dependsOn: readonly string[] = [], facts: Partial<TaskInput> = {}): TaskInput => ({
  id,
  dependsOn: [...dependsOn],
  ...((facts.delayMs ?? facts.waitFor ?? facts.workflow) ? {} : { capability: 'work' }),
  retry: { kind: 'immediate', maxAttempts: 1 },
  ...facts,
});
/** As `step`, with a compensation. */
export const compensable = (id: string, dependsOn: readonly string[] = [], facts: Partial<TaskInput> = {}): TaskInput =>
  step(id, dependsOn, { compensation: { capability: 'undo', retry: { kind: 'immediate', maxAttempts: 1 } }, ...facts });

let definitions = 0;
export const definitionWith = (facts: Partial<DefinitionInput>) => {
  definitions += 1;
  return {
    workflow: { name: 'report', version: '1.0.0', digest: definitions.toString(16).padStart(64, '0') },
    definition: WorkflowDefinition.parse({ name: 'report', version: '1.0.0', tasks: [step('a')], ...facts }),
  };
};

const error = (code: string, facts: Partial<AttemptError> = {}): AttemptError => ({
  code,
  message: code.toLowerCase(),
  source: 'agent',
  retryable: false,
  ...facts,
});

/** The execution of a workflow as a story: what happens to it, and in short words what follows from that. */
export class Story {
  readonly log: ExecutionStreamEvent[] = [];
  last: readonly ExecutionStreamEvent[] = [];
  #execution: Execution = executionDecider.initialState();
  #nowMs = START;

  static of(
    tasks: readonly TaskInput[],
    facts: Partial<DefinitionInput> = {},
    start: Partial<StartExecution> = {},
  ): Story {
    const story = new Story();
    story.start({ tasks: [...tasks], ...facts }, start);
    return story;
  }

  start(facts: Partial<DefinitionInput>, start: Partial<StartExecution> = {}): readonly string[] {
    const pinned = definitionWith(facts);
    return this.when({ type: 'StartExecution', executionId: EXECUTION, ...pinned, input: null, tags: [], ...start });
  }

  get state(): Running {
    if (this.#execution.status === 'none') throw new Error('nothing has started');
    return this.#execution;
  }

  get status(): string {
    return statusOf(this.state);
  }

  phaseOf(id: string): StepPhase {
    return this.state.steps.get(this.state.compiled.indexOf.get(id) as number).phase;
  }

  now(): string {
    return new Date(this.#nowMs).toISOString();
  }

  /** Time goes by. */
  after(ms: number): this {
    this.#nowMs += ms;
    return this;
  }

  /** In short what follows, or `refused <reason>`. */
  when(told: Told<ExecutionCommand>): readonly string[] {
    const decision = executionDecider.decide({ ...told, now: this.now() } as ExecutionCommand, this.#execution);
    this.last = decision.ok ? decision.value : [];
    if (!decision.ok) return [`refused ${decision.rejection.reason}`];
    this.#execution = decision.value.reduce(executionDecider.evolve, this.#execution);
    this.log.push(...decision.value);
    return decision.value.map((event) => this.#brief(event));
  }

  /** The newest task of a step, an item or a compensation. */
  taskOf(unit: string): Extract<ExecutionStreamEvent, { type: 'TaskSubmitted' }>['data'] {
    const submitted = this.log
      .filter((event) => event.type === 'TaskSubmitted')
      .filter(({ data }) => data.unit === unit);
    const newest = submitted.at(-1);
    if (newest === undefined) throw new Error(`${unit} has no task`);
    return newest.data;
  }

  complete(unit: string, result: Json = `${unit} done`, { attempt = 1, durationMs = 0 } = {}): readonly string[] {
    const { taskId } = this.taskOf(unit);
    const facts = { agentId: 'anna', result, durationMs, now: this.now() };
    return this.when({ type: 'RunTask', taskId, command: { type: 'CompleteAttempt', attempt, ...facts } });
  }

  #fail(unit: string, attempt: number, failure: AttemptError): readonly string[] {
    const { taskId } = this.taskOf(unit);
    const facts = { agentId: 'anna', error: failure, random: 0, now: this.now() };
    return this.when({ type: 'RunTask', taskId, command: { type: 'FailAttempt', attempt, ...facts } });
  }

  /** For good, and for sure without effect. */
  refuse(unit: string, attempt = 1): readonly string[] {
    return this.#fail(unit, attempt, error('REFUSED'));
  }

  /** May go well next time. */
  fail(unit: string, attempt = 1): readonly string[] {
    return this.#fail(unit, attempt, error('FAILED', { retryable: true }));
  }

  /** No answer in time: it may have had its effect. */
  timeOut(unit: string, attempt = 1): readonly string[] {
    return this.#fail(unit, attempt, error('AGENT_TIMEOUT', { source: 'timeout', outcomeUnknown: true }));
  }

  /** Of an agent that must not be called twice. */
  lose(unit: string, attempt = 1): readonly string[] {
    const { taskId } = this.taskOf(unit);
    const facts = { agentId: 'anna', error: error('LOST', { outcomeUnknown: true }), now: this.now() };
    return this.when({ type: 'RunTask', taskId, command: { type: 'MarkOutcomeUnknown', attempt, ...facts } });
  }

  /** What the pool's writer answers to an abort. */
  release(unit: string, held: boolean, attempt = 1): readonly string[] {
    return this.when({ type: 'ReleaseTask', taskId: this.taskOf(unit).taskId, attempt, held });
  }

  #brief({ type, data }: ExecutionStreamEvent): string {
    switch (type) {
      case 'TaskRedriven':
        return `${type} ${data.unit} #${data.nextAttempt}`;
      case 'TaskSubmitted':
        return `${type} ${data.unit}`;
      case 'StepFailed':
        return `${type} ${data.stepId} ${data.error.code}`;
      case 'StepSkipped':
        return `${type} ${data.stepId} ${data.reason}`;
      case 'StepWaiting':
        return `${type} ${data.stepId} ${data.kind}`;
      case 'StepExpanded':
        return `${type} ${data.stepId} ${data.items.length}`;
      case 'ExecutionAborting':
        return [type, data.reason, ...(data.compensate ? [data.strategy] : []), ...(data.interrupt ? ['!'] : [])].join(
          ' ',
        );
      case 'CompensationStarted':
        return [type, ...data.plan.map(({ unit, after }) => [unit, ...after].join('<'))].join(' ');
      case 'ExecutionReopened':
        return [type, ...data.steps].join(' ');
      case 'ExecutionFailed':
        return `${type} ${data.error.code}`;
      default:
        return [type, ...this.#subject(data)].join(' ');
    }
  }

  #subject(data: ExecutionStreamEvent['data']): string[] {
    if ('taskId' in data) return [this.state.unitOf.get(data.taskId as string) ?? '?'];
    if ('stepId' in data) return [data.stepId];
    return 'unit' in data && typeof data.unit === 'string' ? [data.unit] : [];
  }
}
