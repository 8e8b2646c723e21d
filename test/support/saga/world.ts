import { isDeepStrictEqual } from 'node:util';
import type { ExecutionCommand } from '../../../src/domain/execution/commands.ts';
import type { executionDecider } from '../../../src/domain/execution/decider.ts';
import type { ExecutionStreamEvent } from '../../../src/domain/execution/events.ts';
import type { planCompensation } from '../../../src/domain/execution/plan-compensation.ts';
import type { Execution, Running } from '../../../src/domain/execution/state.ts';
import type { AttemptError } from '../../../src/domain/task/events.ts';
import { COMPENSATION_STRATEGIES } from '../../../src/domain/workflow/definition.ts';
import { rollDefinition } from './definition.ts';
import { Dice } from './dice.ts';
import { type PooledTask, PoolModel } from './pool-model.ts';

/** What decides. Given from outside so that broken builds can be put to the same test. */
export type Build = { readonly decider: typeof executionDecider; readonly preview: typeof planCompensation };

const EXECUTION = '7c9e6679-7425-5e0d-9a5b-6f1f0a7d3c21';
const START = Date.parse('2026-03-01T12:00:00.000Z');
/** From this step on agents do their work and nobody disturbs them, so that every run comes to its end. */
const CALM_FROM = 400;
const MAX_STEPS = 3_000;
const MAX_INTERVENTIONS = 4;

type Action = () => void;
type TaskCommand = Extract<ExecutionCommand, { type: 'RunTask' }>['command'];
type Ended = { readonly taskId: string; readonly attempt: number };

const errorOf = (code: string, retryable: boolean, outcomeUnknown = false): AttemptError => ({
  code,
  message: code.toLowerCase(),
  source: 'agent',
  retryable,
  ...(outcomeUnknown ? { outcomeUnknown: true as const } : {}),
});

/**
 * One execution and its environment, generated from a seed: agents that succeed, fail or misbehave, a pool's writer, people who pause, cancel,
 * retry and skip, and people who resolve failed compensations. The decider's state is read only to see what could be done next.
 */
export class SagaWorld {
  readonly log: ExecutionStreamEvent[] = [];
  readonly refusals = new Map<string, number>();
  #state: Execution;
  readonly #build: Build;
  readonly #dice: Dice;
  readonly #seed: number;
  readonly #pool = new PoolModel();
  /** Attempts that agents held and that ended without their answer. */
  readonly #unanswered: Ended[] = [];
  readonly #trouble: number;
  readonly #restless: number;
  readonly #parkedAreResolved: boolean;
  readonly #disturb: ((world: SagaWorld, dice: Dice) => void) | undefined;
  #nowMs = START;
  #interventions = 0;
  #steps = 0;

  /** @param disturb what else may happen: it may look at the execution and run commands */
  constructor(seed: number, build: Build, disturb?: (world: SagaWorld, dice: Dice) => void) {
    this.#disturb = disturb;
    this.#seed = seed;
    this.#build = build;
    this.#dice = new Dice(seed);
    this.#state = build.decider.initialState();
    this.#trouble = this.#dice.pick([0.05, 0.2, 0.4]);
    this.#restless = this.#dice.pick([0, 0.02, 0.08]);
    this.#parkedAreResolved = this.#dice.chance(0.9);
  }

  /** The current state of the execution, for inspection. */
  get state(): Running {
    if (this.#state.status === 'none') throw new Error('nothing has started');
    return this.#state;
  }

  /** Until nothing is left to do. */
  run(): this {
    this.execute({
      type: 'StartExecution',
      executionId: EXECUTION,
      workflow: { name: 'saga', version: '1.0.0', digest: this.#seed.toString(16).padStart(64, '0') },
      definition: rollDefinition(this.#dice),
      input: { seed: this.#seed },
      tags: [],
      now: this.now(),
    });
    for (let action = this.#next(); action; action = this.#next()) action();
    return this;
  }

  now(): string {
    return new Date(this.#nowMs).toISOString();
  }

  /** Whether it was accepted. */
  execute(command: ExecutionCommand): boolean {
    const { decide, evolve } = this.#build.decider;
    const decision = decide(command, this.#state);
    if (this.#dice.chance(0.05) && !isDeepStrictEqual(decide(command, this.#state), decision))
      throw new Error(`${command.type} is decided otherwise when it is decided again`);
    if (!decision.ok) {
      const { reason } = decision.rejection;
      this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
      return false;
    }
    for (const event of decision.value) {
      if (event.type === 'CompensationStarted') this.#compareWithPreview(event.data.plan);
      this.log.push(event);
      this.#state = evolve(this.#state, event);
      this.#pool.observe(event);
    }
    return true;
  }

  /** The preview taken just before is the plan that is carried out. */
  #compareWithPreview(plan: readonly { readonly unit: string; readonly after: readonly string[] }[]): void {
    const { abort } = this.state;
    const preview = abort && this.#build.preview(this.state, abort.strategy, abort.unit);
    if (!isDeepStrictEqual(preview, plan)) throw new Error('the preview differs from the plan');
  }

  #isCalm(): boolean {
    return this.#steps > CALM_FROM;
  }

  #next(): Action | undefined {
    this.#steps += 1;
    if (this.#steps > MAX_STEPS) throw new Error(`no end after ${MAX_STEPS} steps`);
    this.#nowMs += this.#dice.below(2_000);
    const disturb = this.#disturb;
    if (disturb && !this.#isCalm() && this.#dice.chance(0.1)) return () => disturb(this, this.#dice);
    if (!this.#isCalm() && this.#dice.chance(this.#restless)) return this.#dice.pick(this.#disturbances());
    if (this.#unanswered.length > 0 && this.#dice.chance(0.08)) return () => this.#answerLate();
    const wanted = this.#wanted();
    if (wanted.length > 0) return this.#dice.pick(wanted);
    if (this.#unanswered.length > 0 && this.#dice.chance(0.8)) return () => this.#answerLate();
    return this.#intervention();
  }

  #wanted(): Action[] {
    const { paused, status } = this.state;
    return [
      ...this.#pool.releasing().map((task) => () => this.#release(task)),
      ...this.#pool.assignable().map((task) => () => this.#assign(task)),
      ...this.#pool.held().map((task) => () => this.#answer(task)),
      ...this.#waits(),
      ...(paused && (status === 'executing' || status === 'compensating') ? [() => this.#resume()] : []),
      ...this.#childCompensations(),
      ...this.#resolutions(),
      ...this.#deadline(),
    ];
  }

  #deadline(): Action[] {
    const { deadlineMs, abort, status } = this.state;
    const isDue =
      deadlineMs !== undefined && deadlineMs <= this.#nowMs && abort === undefined && status === 'executing';
    return isDue ? [() => this.execute({ type: 'ExpireExecution', now: this.now() })] : [];
  }

  #disturbances(): Action[] {
    const now = this.now();
    return [
      () => this.execute({ type: 'PauseExecution', now }),
      () => this.#resume(),
      () => this.#cancel(),
      () => this.execute({ type: 'SignalExecution', name: 'go', payload: 1, now }),
      () => this.#answerLate(),
      () => this.#skip(),
    ];
  }

  #resume(): void {
    this.execute({ type: 'ResumeExecution', now: this.now() });
  }

  #cancel(): void {
    const strategy = this.#dice.chance(0.5) ? undefined : this.#dice.pick(COMPENSATION_STRATEGIES);
    this.execute({ type: 'CancelExecution', compensate: this.#dice.chance(0.6), strategy, now: this.now() });
  }

  #assign(task: PooledTask): void {
    task.held = true;
  }

  #release({ taskId, attempt, held }: PooledTask): void {
    if (held) this.#unanswered.push({ taskId, attempt });
    this.execute({ type: 'ReleaseTask', taskId, attempt, held, now: this.now() });
  }

  #runTask(taskId: string, command: TaskCommand): boolean {
    return this.execute({ type: 'RunTask', taskId, command, now: this.now() });
  }

  #complete({ taskId, attempt }: Ended): boolean {
    const facts = { agentId: 'anna', result: { by: taskId }, durationMs: this.#dice.below(1_500), now: this.now() };
    return this.#runTask(taskId, { type: 'CompleteAttempt', attempt, ...facts });
  }

  #fail({ taskId, attempt }: Ended, error: AttemptError): boolean {
    const facts = { agentId: 'anna', random: 0, durationMs: this.#dice.below(1_500), now: this.now() };
    return this.#runTask(taskId, { type: 'FailAttempt', attempt, error, ...facts });
  }

  #answer(task: PooledTask): void {
    const { taskId, attempt } = task;
    const ended = { taskId, attempt };
    if (this.#isCalm() || !this.#dice.chance(this.#trouble)) {
      this.#complete(ended);
      if (this.#dice.chance(0.1)) this.#mustRefuse(this.#complete(ended), 'a result was taken twice');
      return;
    }
    const roll = this.#dice.below(6);
    if (roll === 0) this.#fail(ended, errorOf('REFUSED', false));
    else if (roll === 1) this.#fail(ended, errorOf('FAILED', true));
    else if (roll === 2) this.#fail(ended, errorOf('AGENT_TIMEOUT', this.#dice.chance(0.5), true));
    else if (roll === 3) this.#loseTrackOf(ended);
    else if (roll === 4) this.#mustRefuse(this.#complete({ taskId, attempt: attempt + 1 }), 'a future attempt counted');
    else if (attempt > 1) this.#mustRefuse(this.#complete({ taskId, attempt: attempt - 1 }), 'a stale attempt counted');
  }

  #loseTrackOf({ taskId, attempt }: Ended): void {
    this.#unanswered.push({ taskId, attempt });
    const facts = { agentId: 'anna', error: errorOf('LOST', false, true), now: this.now() };
    this.#runTask(taskId, { type: 'MarkOutcomeUnknown', attempt, ...facts });
  }

  #mustRefuse(accepted: boolean, what: string): void {
    if (accepted) throw new Error(what);
  }

  #answerLate(): void {
    const ended = this.#unanswered.pop();
    if (ended) this.#complete(ended);
  }

  #waits(): Action[] {
    const { compiled, steps } = this.state;
    return compiled.steps.flatMap(({ id, index }): Action[] => {
      const { phase, waiting } = steps.get(index);
      return phase === 'waiting' && waiting ? [() => this.#endWait(id, waiting)] : [];
    });
  }

  #endWait(step: string, { kind, dueMs, childId }: NonNullable<ReturnType<Running['steps']['get']>['waiting']>): void {
    const takesTooLong = kind === 'delay' || (kind === 'decision' && this.#dice.chance(this.#trouble));
    if (takesTooLong) this.#nowMs = Math.max(this.#nowMs, dueMs ?? 0);
    const now = this.now();
    if (takesTooLong) this.execute({ type: 'WakeStep', step, now });
    else if (kind === 'decision') this.execute({ type: 'DecideStep', step, option: 'approved', by: 'user:ada', now });
    else if (kind === 'event') this.execute({ type: 'SignalExecution', name: 'go', payload: 1, now });
    else if (childId !== undefined) this.#endChild(step, childId);
  }

  #endChild(step: string, childId: string): void {
    const outcome = this.#dice.chance(this.#trouble)
      ? { status: 'failed' as const, error: errorOf('CHILD_FAILED', false) }
      : { status: 'completed' as const, output: 'child' };
    this.execute({ type: 'CloseChild', step, childId, outcome, now: this.now() });
  }

  /** What the follower of executions tells of sub-workflows that are compensated as a whole. */
  #childCompensations(): Action[] {
    return [...(this.state.compensation?.units.values() ?? [])]
      .filter(({ status, state }) => status === 'open' && state.task === undefined)
      .map(({ unit }) => () => {
        const error = this.#dice.chance(this.#trouble) ? errorOf('CHILD_COMPENSATION_FAILED', false) : undefined;
        this.execute({ type: 'CloseCompensation', unit, error, now: this.now() });
      });
  }

  #resolutions(): Action[] {
    const { compensation } = this.state;
    if (!this.#parkedAreResolved) return [];
    return [...(compensation?.units.values() ?? [])]
      .filter(({ status }) => status === 'parked')
      .map(
        ({ unit }) =>
          () =>
            this.#resolve(unit),
      );
  }

  #resolve(unit: string): void {
    const now = this.now();
    const roll = this.#dice.below(5);
    if (roll === 0) this.execute({ type: 'SkipCompensation', unit, reason: 'done by hand', now });
    else if (roll === 1) this.execute({ type: 'HandOverCompensation', unit, to: 'ops', now });
    else if (roll === 2) this.#answerLate();
    else this.execute({ type: 'RetryCompensation', unit, input: roll === 3 ? 'other' : undefined, now });
  }

  /** A failed execution does not continue until a person does something. */
  #intervention(): Action | undefined {
    if (this.state.status !== 'failed' || this.#interventions >= MAX_INTERVENTIONS || this.#dice.chance(0.3))
      return undefined;
    this.#interventions += 1;
    const now = this.now();
    return this.#dice.pick<Action>([
      () => this.execute({ type: 'RetryExecution', now }),
      () => this.execute({ type: 'RetryExecution', step: this.#someStep(), input: 'other', now }),
      () => this.#skip(),
      () => this.#cancel(),
    ]);
  }

  /** One that is in the way, where there is one. */
  #someStep(): string {
    const { compiled, steps } = this.state;
    const ended = compiled.steps.filter(({ index }) => steps.get(index).phase === 'failed');
    return this.#dice.pick(ended.length > 0 ? ended : compiled.steps).id;
  }

  #skip(): void {
    this.execute({ type: 'SkipStep', step: this.#someStep(), reason: 'not needed', now: this.now() });
  }
}
