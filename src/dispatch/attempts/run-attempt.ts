import type { Accepted, Caller, Commands } from '../../commands/context.ts';
import {
  completeAttempt,
  failAttempt,
  giveUpAttempt,
  markOutcomeUnknown,
  startAttempt,
} from '../../commands/task/close-attempt.ts';
import { reportAttemptProgress } from '../../commands/task/report-progress.ts';
import { taskOf } from '../../domain/execution/find.ts';
import { agentStream, executionStream, messageIdOf, taskStream } from '../../domain/ids.ts';
import type { Json } from '../../domain/json.ts';
import type { Money } from '../../domain/money.ts';
import type { Result } from '../../domain/result.ts';
import { type Backoff, backoffMs } from '../../domain/retry.ts';
import type { AttemptError } from '../../domain/task/events.ts';
import type { Task } from '../../domain/task/state.ts';
import { sleep } from '../../platform/clock.ts';
import { AppError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import type { DispatchCounters } from '../counters.ts';
import type { AttemptJob } from '../queues/attempt-queue.ts';
import type { AttemptHandler, Delivery, Handled } from '../queues/worker.ts';
import { type AgentTransport, CallAborted, type RegisteredAgent, TransportError } from '../transports/transport.ts';
import { acceptResult, attemptError } from './agent-result.ts';
import type { InFlight, RunningAttempt } from './in-flight.ts';
import { ProgressReporter } from './progress.ts';

type OpenTask = Extract<Task, { status: 'open' }>;

/** The outcome of a call, in the terms of the log. */
type Outcome =
  | { readonly kind: 'completed'; readonly result: Json; readonly durationMs: number }
  | {
      readonly kind: 'failed';
      readonly error: AttemptError;
      readonly durationMs?: number;
      readonly retryAfterMs?: number | undefined;
    }
  /** The agent must not be called twice, and it is not known whether it was called. */
  | { readonly kind: 'unknown'; readonly error: AttemptError }
  /** The attempt was closed elsewhere while the agent worked. */
  | { readonly kind: 'closed' }
  /** This delivery did not call the agent, and nobody else will; an earlier one may have. */
  | { readonly kind: 'given_up'; readonly error: AttemptError }
  | { readonly kind: 'hand_back' };

export type AttemptRunnerDeps = {
  readonly commands: Commands;
  readonly transports: Readonly<Record<AttemptJob['transport'], AgentTransport>>;
  readonly inFlight: InFlight;
  readonly counters: DispatchCounters;
  readonly logger: Logger;
  /** For how long a task without a deadline may go on without reaching an agent. */
  readonly unreachableLimitMs?: number | undefined;
  /** Aborts when this process gives up its jobs. */
  readonly abandon: AbortSignal;
};

/** How long an answer is kept while the log cannot be reached, before the job goes back to its queue and the agent is called again. */
const RECORD_PATIENCE_MS = 60_000;
const BACKOFF: Backoff = { baseMs: 200, maxMs: 5_000 };

const isCurrent = (task: Task | undefined, job: AttemptJob): task is OpenTask =>
  task?.status === 'open' && task.attempt === job.attempt;

const isRegistered = (agent: { readonly status: string }): agent is RegisteredAgent =>
  agent.status === 'active' || agent.status === 'draining';

const NOT_REGISTERED: AttemptError = {
  code: 'AGENT_NOT_REGISTERED',
  message: 'the agent is no longer registered',
  source: 'baton',
  retryable: true,
};

const ALREADY_STARTED: AttemptError = {
  code: 'OUTCOME_UNKNOWN',
  message: 'an earlier delivery of this attempt may have called the agent, and it must not be called twice',
  source: 'baton',
  retryable: false,
};

const timeoutError = (timeoutMs: number): AttemptError => ({
  code: 'AGENT_TIMEOUT',
  message: `no answer within ${timeoutMs} ms`,
  source: 'timeout',
  retryable: true,
  outcomeUnknown: true,
});

const bugError: AttemptError = {
  code: 'INTERNAL_ERROR',
  message: 'the call failed unexpectedly; the log of the dispatcher has the reason',
  source: 'baton',
  retryable: true,
  outcomeUnknown: true,
};

/**
 * Works on delivered attempts. A delivery is only a hint (reliability R8): whether the attempt may run is read from the log first, and the
 * log refuses an outcome that no longer counts.
 */
export class AttemptRunner {
  readonly #deps: AttemptRunnerDeps;

  constructor(deps: AttemptRunnerDeps) {
    this.#deps = deps;
  }

  readonly handle: AttemptHandler = (delivery) => {
    const { job, again } = delivery;
    const { abandon, counters, inFlight } = this.#deps;
    counters.jobs += 1;
    if (again) counters.redelivered += 1;
    if (abandon.aborted) return Promise.resolve('hand_back');
    return inFlight.run(job, (run) => this.#run(delivery, run));
  };

  async #run(delivery: Delivery, run: RunningAttempt): Promise<Handled> {
    const { job } = delivery;
    const task = await this.#currentTask(job);
    if (!task) {
      this.#deps.counters.dropped += 1;
      return 'done';
    }
    const agent = await this.#registeredAgent(job);
    if (!agent) {
      // An earlier delivery may have called it.
      const error = delivery.again ? NOT_REGISTERED : { ...NOT_REGISTERED, notSent: true as const };
      return this.#record(job, undefined, { kind: 'given_up', error });
    }
    const go = agent.profile.delivery === 'at_most_once' ? await this.#start(job, task) : 'go';
    if (go === 'drop') {
      this.#deps.counters.dropped += 1;
      return 'done';
    }
    const outcome: Outcome =
      go === 'started_before'
        ? { kind: 'unknown', error: ALREADY_STARTED }
        : await this.#call(delivery, task, agent, run);
    return this.#record(job, agent, outcome);
  }

  async #currentTask(job: AttemptJob): Promise<OpenTask | undefined> {
    const known = await this.#loadTask(job, false);
    if (isCurrent(known, job)) return known;
    const read = await this.#loadTask(job, true);
    return isCurrent(read, job) ? read : undefined;
  }

  async #loadTask({ tenant, taskId, executionId }: AttemptJob, fresh: boolean): Promise<Task | undefined> {
    const { tasks, executions } = this.#deps.commands;
    if (executionId === undefined) return tasks.load(taskStream(tenant, taskId), { fresh });
    return taskOf(await executions.load(executionStream(tenant, executionId), { fresh }), taskId);
  }

  async #registeredAgent(job: AttemptJob): Promise<RegisteredAgent | undefined> {
    const { agents } = this.#deps.commands;
    const stream = agentStream(job.tenant, job.agentId);
    const known = await agents.load(stream);
    if (isRegistered(known)) return known;
    const read = await agents.load(stream, { fresh: true });
    return isRegistered(read) ? read : undefined;
  }

  /** Records the start of a call that must not be made twice. */
  async #start(job: AttemptJob, task: OpenTask): Promise<'go' | 'started_before' | 'drop'> {
    // With the agent's own id of the work, the agent can be asked about it.
    if (task.started) return job.remoteTaskId === undefined ? 'started_before' : 'go';
    const started = await startAttempt(this.#deps.commands, callerOf(job), job);
    if (started.ok) return 'go';
    return started.rejection.reason === 'AttemptAlreadyStarted' ? 'started_before' : 'drop';
  }

  async #call(delivery: Delivery, task: OpenTask, agent: RegisteredAgent, run: RunningAttempt): Promise<Outcome> {
    const { commands, counters } = this.#deps;
    const progress = new ProgressReporter(commands.clock, (report) => this.#reportProgress(delivery.job, report));
    const { timeoutMs } = task.submitted;
    const cancelTimer = commands.clock.schedule(timeoutMs, () => run.abort('timeout'));
    counters.calls += 1;
    counters.inFlight += 1;
    const outcome = await this.#invoke(delivery, task, agent, run.signal, progress);
    run.callEnded();
    cancelTimer();
    counters.inFlight -= 1;
    await progress.end(outcome.kind);
    return outcome;
  }

  async #invoke(
    { job, again, noteRemoteTask }: Delivery,
    task: OpenTask,
    agent: RegisteredAgent,
    signal: AbortSignal,
    progress: ProgressReporter,
  ): Promise<Outcome> {
    const { clock } = this.#deps.commands;
    const startedMs = clock.monotonic();
    try {
      const result = await this.#deps.transports[agent.profile.transport.kind].invoke({
        tenant: job.tenant,
        agent,
        taskId: job.taskId,
        attempt: job.attempt,
        capability: task.submitted.capability,
        input: task.submitted.input,
        checkpoint: task.checkpoint,
        messageId: messageIdOf(job.taskId, job.attempt),
        effectKey: job.taskId,
        signal,
        remoteTaskId: job.remoteTaskId,
        onRemoteTask: noteRemoteTask,
        onProgress: (report) => progress.report(report),
      });
      return { kind: 'completed', result: acceptResult(result), durationMs: Math.round(clock.monotonic() - startedMs) };
    } catch (error) {
      const outcome = this.#outcomeOf(error, agent, task.submitted.timeoutMs, { job, again });
      return outcome.kind === 'failed'
        ? { ...outcome, durationMs: Math.round(clock.monotonic() - startedMs) }
        : outcome;
    }
  }

  #outcomeOf(
    error: unknown,
    agent: RegisteredAgent,
    timeoutMs: number,
    { job, again }: Pick<Delivery, 'job' | 'again'>,
  ): Outcome {
    const { counters, logger } = this.#deps;
    const atMostOnce = agent.profile.delivery === 'at_most_once';
    if (error instanceof CallAborted) {
      if (error.reason === 'closed') counters.cancelled += 1;
      if (error.reason === 'timeout') counters.timeouts += 1;
      if (error.reason !== 'timeout') return { kind: error.reason === 'closed' ? 'closed' : 'hand_back' };
      return { kind: atMostOnce ? 'unknown' : 'failed', error: timeoutError(timeoutMs) };
    }
    if (error instanceof TransportError) {
      const { code, message, source, retryable, outcomeKnown, unreached, retryAfterMs } = error;
      const unknown = outcomeKnown ? {} : { outcomeUnknown: true as const };
      // An earlier delivery of the attempt may have reached the agent.
      const unsent = unreached && !again ? { notSent: true as const } : {};
      const told = attemptError({ code, message, source, retryable, ...unknown, ...unsent });
      return atMostOnce && !outcomeKnown
        ? { kind: 'unknown', error: told }
        : { kind: 'failed', error: told, retryAfterMs };
    }
    logger.error({ err: error, taskId: job.taskId, attempt: job.attempt }, 'a call failed unexpectedly');
    return { kind: atMostOnce ? 'unknown' : 'failed', error: bugError };
  }

  async #reportProgress(job: AttemptJob, progress: object): Promise<void> {
    try {
      await reportAttemptProgress(this.#deps.commands, callerOf(job), job, { ...progress, attempt: job.attempt });
    } catch (error) {
      // Progress is optional: losing a report must not fail the attempt.
      this.#deps.logger.debug({ err: error, taskId: job.taskId }, 'progress could not be recorded');
    }
  }

  async #record(job: AttemptJob, agent: RegisteredAgent | undefined, outcome: Outcome): Promise<Handled> {
    const { commands, counters } = this.#deps;
    const caller = callerOf(job);
    const cost = agent?.profile.costPerCall;
    switch (outcome.kind) {
      case 'closed':
        return 'done';
      case 'hand_back':
        counters.handedBack += 1;
        return 'hand_back';
      case 'completed':
        return this.#recordResult(job, agent, outcome);
      case 'failed':
        return this.#recordFailure(job, outcome, cost);
      case 'given_up':
        return this.#close('failed', job, () => giveUpAttempt(commands, caller, job, outcome.error));
      case 'unknown':
        return this.#close('indeterminate', job, () => markOutcomeUnknown(commands, caller, job, outcome.error));
    }
  }

  #recordFailure(
    job: AttemptJob,
    outcome: Extract<Outcome, { kind: 'failed' }>,
    cost: Money | undefined,
  ): Promise<Handled> {
    const { commands, unreachableLimitMs } = this.#deps;
    const charged = outcome.error.notSent ? undefined : cost;
    return this.#close('failed', job, () =>
      failAttempt(commands, callerOf(job), job, { ...outcome, cost: charged, unreachableLimitMs }),
    );
  }

  async #recordResult(
    job: AttemptJob,
    agent: RegisteredAgent | undefined,
    { result, durationMs }: Extract<Outcome, { kind: 'completed' }>,
  ): Promise<Handled> {
    const { commands, logger } = this.#deps;
    const cost = agent?.profile.costPerCall;
    try {
      return await this.#close('completed', job, () =>
        completeAttempt(commands, callerOf(job), job, { result, durationMs, cost }),
      );
    } catch (error) {
      if (error instanceof AppError && error.retryable) throw error;
      // The log cannot hold this result. Delivering the job again would call the agent again, forever.
      logger.error({ err: error, taskId: job.taskId, attempt: job.attempt }, 'a result could not be recorded');
      return this.#record(job, agent, { kind: 'failed', error: bugError });
    }
  }

  /**
   * Appends an outcome, and keeps it while the log is unreachable: without it the agent would be called again.
   *
   * Errors: throws what the command threw when the log stays unreachable, or cannot hold the outcome.
   */
  async #close(
    counter: 'completed' | 'failed' | 'indeterminate',
    job: AttemptJob,
    append: () => Promise<Result<Accepted, unknown>>,
  ): Promise<Handled> {
    const { commands, counters, abandon } = this.#deps;
    const giveUpMs = commands.clock.monotonic() + RECORD_PATIENCE_MS;
    for (let tries = 1; ; tries += 1) {
      try {
        const result = await append();
        // On the first try a repeat means that another delivery recorded the outcome; later it is our own, whose acknowledgement was lost.
        if (result.ok && (!result.value.repeated || tries > 1)) counters[counter] += 1;
        else counters.staleCompletionsRefused += 1;
        return 'done';
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        if (error.code === 'NOT_FOUND') return this.#dropUnknown(job);
        if (!error.retryable || commands.clock.monotonic() > giveUpMs) throw error;
        if (abandon.aborted) return 'hand_back';
        await sleep(commands.clock, backoffMs(BACKOFF, tries), abandon);
      }
    }
  }

  #dropUnknown(job: AttemptJob): Handled {
    this.#deps.counters.dropped += 1;
    this.#deps.logger.warn({ taskId: job.taskId, attempt: job.attempt }, 'a job names a task that does not exist');
    return 'done';
  }
}

const callerOf = ({ tenant }: AttemptJob): Caller => ({ tenant, actor: 'dispatcher' });
