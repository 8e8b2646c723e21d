import type { Position } from '../eventstore/event-store.ts';
import type { AppendIdentity } from './append-identity.ts';
import type { ExecutionBook } from './execution-book.ts';
import type { TaskBook } from './task-book.ts';
import type { Violations } from './violations.ts';

/** One call as its client saw it. */
export type ClientCall = {
  readonly tenant: string;
  /** Command and target, as `SubmitTask` or `CancelTask/<id>`: the idempotency key is unique within it. */
  readonly scope: string;
  readonly idempotencyKey?: string;
  /** The id under which the log records the command, if the client can know it. */
  readonly commandId?: string;
  /** The task that the answer named, or that the call was about. */
  readonly taskId?: string;
  /** The execution that the answer named, or that the call was about. */
  readonly executionId?: string;
  /** `fail`: certainly refused; `unknown`: no answer, or an answer that says so. */
  readonly outcome: 'ok' | 'fail' | 'unknown';
  /** Of the answer. */
  readonly position?: Position;
  /** What was sent, or its digest: distinguishes a repeat from a reuse of the key. */
  readonly body?: string;
};

/** One call that reached an agent, as the agent recorded it. */
export type AgentCall = {
  readonly tenant: string;
  readonly agentId: string;
  readonly taskId: string;
  readonly attempt: number;
  /** ISO 8601, by the agent's clock. */
  readonly at: string;
  /** The effect happened in this call, and not in an earlier one with the same effect key. */
  readonly applied?: boolean;
};

/** Where calls are looked up. */
type Recorded = {
  readonly identity: AppendIdentity;
  readonly tasks: TaskBook;
  readonly executions: ExecutionBook;
};

/** Whether the log holds what the call was about; undefined when the call has too few facts. */
const isRecorded = (call: ClientCall, { identity, tasks, executions }: Recorded): boolean | undefined => {
  const { tenant, scope, commandId, taskId, executionId } = call;
  if (commandId !== undefined) return identity.commands.get(commandId)?.tenant === tenant;
  if (scope === 'SubmitTask' && taskId !== undefined) return tasks.task(tenant, taskId) !== undefined;
  if (scope === 'StartExecution' && executionId !== undefined)
    return executions.execution(tenant, executionId) !== undefined;
  return undefined;
};

const nameOf = ({ scope, idempotencyKey, commandId, taskId, executionId }: ClientCall): string =>
  `${scope} ${idempotencyKey ?? commandId ?? taskId ?? executionId ?? ''}`.trim();

const subjectOf = ({ tenant, commandId, taskId, executionId }: ClientCall): string =>
  `${tenant}/${commandId ?? (taskId === undefined ? `execution ${executionId}` : `task ${taskId}`)}`;

/** S1 and S2. Returns how many calls could not be checked. */
export const checkAnswers = (calls: readonly ClientCall[], recordedIn: Recorded, violations: Violations): number => {
  // A refused call may repeat one that was accepted, or that was not answered.
  const mayBeRecorded = new Set(calls.filter(({ outcome }) => outcome !== 'fail').map(subjectOf));
  let unjudged = 0;
  for (const call of calls) {
    const recorded = isRecorded(call, recordedIn);
    if (recorded === undefined) unjudged += 1;
    else if (call.outcome === 'ok' && !recorded)
      violations.add('S1', `${nameOf(call)} was accepted, but the log does not have it`);
    else if (call.outcome === 'fail' && recorded && !mayBeRecorded.has(subjectOf(call)))
      violations.add('S2', `${nameOf(call)} was refused, but the log has it`);
  }
  return unjudged;
};

const subjectGiven = ({ taskId, executionId }: ClientCall): string | undefined => taskId ?? executionId;

/** S18: one key, one body, one answer. */
export const checkIdempotency = (calls: readonly ClientCall[], violations: Violations): void => {
  const accepted = new Map<string, ClientCall>();
  for (const call of calls) {
    if (call.idempotencyKey === undefined || call.outcome !== 'ok') continue;
    const key = `${call.tenant}/${call.scope}/${call.idempotencyKey}`;
    const first = accepted.get(key);
    if (!first) accepted.set(key, call);
    else if (first.body !== call.body) violations.add('S18', `${nameOf(call)} was accepted with two different bodies`);
    else if (subjectGiven(first) !== subjectGiven(call) || first.position !== call.position)
      violations.add(
        'S18',
        `${nameOf(call)} was answered with ${subjectGiven(call)} at ${call.position} and with ${subjectGiven(first)} at ${first.position}`,
      );
  }
};

/** S6 and S25, from the journals of the agents: only assigned attempts are called, and none more often than the agent allows. */
export const checkJournals = (journals: readonly AgentCall[], book: TaskBook, violations: Violations): void => {
  const calls = new Map<string, number>();
  const effects = new Map<string, number>();
  const countIn = (counts: Map<string, number>, key: string): number => {
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return count;
  };
  for (const { tenant, agentId, taskId, attempt, applied } of journals) {
    const key = `${tenant}/${taskId}/${attempt}/${agentId}`;
    if (!book.given.has(key))
      violations.add(
        'S6',
        `${agentId} was called for attempt ${attempt} of task ${taskId}, which it was never assigned`,
      );
    const delivery = book.agent(tenant, agentId)?.delivery;
    if (delivery === 'at_most_once' && countIn(calls, key) === 2)
      violations.add(
        'S25',
        `${agentId} must not be called twice, but was called twice for attempt ${attempt} of task ${taskId}`,
      );
    if (delivery === 'effectively_once' && applied && countIn(effects, `${tenant}/${taskId}/${agentId}`) === 2)
      violations.add('S25', `${agentId} promises one effect per task, but applied the one of task ${taskId} twice`);
  }
};
