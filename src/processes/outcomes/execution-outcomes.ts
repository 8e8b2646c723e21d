import type { ExecutionHandler } from '../../commands/context.ts';
import type { ExecutionEvent } from '../../domain/execution/events.ts';
import { type ExecutionStatus, hasEnded, type Running } from '../../domain/execution/state.ts';
import { executionStream } from '../../domain/ids.ts';
import type { Json } from '../../domain/json.ts';
import type { AttemptError } from '../../domain/task/events.ts';
import { readEvent } from '../../eventstore/codec.ts';
import type { StoredEvent } from '../../eventstore/event-store.ts';
import { type FollowPorts, followLog } from '../../eventstore/follow-log.ts';
import { OutcomeBook, type WaitOptions } from './outcome-book.ts';

/** States of an execution in which nothing more happens by itself; `failed` and `compensation_failed` wait for a person. */
export const ENDED_EXECUTION_STATUSES = [
  'completed',
  'failed',
  'cancelled',
  'compensated',
  'compensation_failed',
] as const satisfies readonly ExecutionStatus[];

export type ExecutionOutcome = {
  readonly status: (typeof ENDED_EXECUTION_STATUSES)[number];
  readonly output: Json;
  readonly error: AttemptError | undefined;
};

const outcomeOf = (event: ExecutionEvent): ExecutionOutcome | undefined => {
  switch (event.type) {
    case 'ExecutionCompleted':
      return { status: 'completed', output: event.data.output, error: undefined };
    case 'ExecutionFailed':
      return { status: 'failed', output: null, error: event.data.error };
    case 'ExecutionCancelled':
      return { status: 'cancelled', output: null, error: undefined };
    case 'ExecutionCompensated':
      return { status: 'compensated', output: null, error: undefined };
    case 'ExecutionCompensationFailed':
      return { status: 'compensation_failed', output: null, error: undefined };
    default:
      return undefined;
  }
};

const ENDS: ReadonlySet<string> = new Set([
  'ExecutionCompleted',
  'ExecutionFailed',
  'ExecutionCancelled',
  'ExecutionCompensated',
  'ExecutionCompensationFailed',
]);
/** Events after which a remembered outcome no longer holds. */
const GOES_ON: ReadonlySet<string> = new Set([
  'ExecutionReopened',
  'ExecutionAborting',
  'CompensationSkipped',
  'TaskRedriven',
]);

const standing = (execution: Running): ExecutionOutcome | undefined =>
  hasEnded(execution) || execution.status === 'compensation_failed'
    ? {
        status: execution.status as ExecutionOutcome['status'],
        output: execution.output,
        error: execution.error,
      }
    : undefined;

/** Lets code in this process wait for executions, from the shared feed. */
export class ExecutionOutcomes {
  readonly #ports: FollowPorts;
  readonly #executions: Pick<ExecutionHandler, 'load'>;
  readonly #book: OutcomeBook<ExecutionOutcome>;

  constructor(deps: FollowPorts & { executions: Pick<ExecutionHandler, 'load'>; remembered?: number }) {
    this.#book = new OutcomeBook(deps.remembered);
    this.#ports = deps;
    this.#executions = deps.executions;
  }

  /** Events that this build could not read. */
  get unreadable(): number {
    return this.#book.unreadable;
  }

  /** Follows the log from its present end until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await followLog({ ...this.#ports, name: 'the watch on executions', signal }, (event) => this.#apply(event));
    this.#book.close();
  }

  /** Resolves once nothing more happens by itself; at once when that is already so. Errors: as of `TaskOutcomes`. */
  async wait(
    tenant: string,
    executionId: string,
    { signal, fresh = false }: WaitOptions = {},
  ): Promise<ExecutionOutcome> {
    const stream = executionStream(tenant, executionId);
    const recent = this.#book.recent(stream);
    if (recent) return recent;
    const outcome = this.#book.next(stream, signal);
    outcome.catch(() => {}); // nobody waits for it when the stream cannot be read either
    const state = await this.#executions.load(stream, { fresh });
    const known = state.status === 'none' ? undefined : standing(state);
    if (known) this.#book.settle(stream, known);
    return outcome;
  }

  #apply(event: StoredEvent): void {
    if (GOES_ON.has(event.type)) this.#book.forget(event.stream);
    if (!ENDS.has(event.type) && !this.#book.mayEnd(event)) return;
    const known = readEvent(event) as ExecutionEvent | undefined;
    const outcome = known && outcomeOf(known);
    if (outcome) this.#book.settle(event.stream, outcome);
    else if (!known) this.#book.park(event);
  }
}
