import type { StoredEvent } from '../eventstore/event-store.ts';
import { AppendIdentity } from './append-identity.ts';
import { ExecutionBook } from './execution-book.ts';
import { HashChains } from './hash-chains.ts';
import type { Sometimes, SometimesCounters } from './sometimes.ts';
import { type BookCounts, TaskBook } from './task-book.ts';
import { type View, Views } from './views.ts';
import { type Violation, Violations } from './violations.ts';
import { type AgentCall, type ClientCall, checkAnswers, checkIdempotency, checkJournals } from './witnesses.ts';

export type { ExecutionView, TaskView } from './views.ts';
export type { InvariantId, Violation } from './violations.ts';
export type { AgentCall, ClientCall } from './witnesses.ts';

/** A decision made under an agent's former, higher limit may reach the log this long after the limit was lowered. */
const LIMIT_GRACE_MS = 5_000;

export type Evidence = {
  /** The whole log, in order of position. */
  readonly log: readonly StoredEvent[];
  readonly calls?: readonly ClientCall[];
  readonly journals?: readonly AgentCall[];
  /** Samples of the read models `tasks` and `executions`, in the order they were taken. */
  readonly views?: readonly View[];
  /** Situations that the run had to get into; those that the log shows count as well. */
  readonly sometimes?: SometimesCounters<string>;
};

export type Expectations = {
  /** The last fault has ended and everything had time to finish (L1). Default true. */
  readonly settled?: boolean;
  /** With fewer completed tasks the run proves nothing (L4). Default 1. */
  readonly minCompleted?: number;
  /** Default `LIMIT_GRACE_MS`. */
  readonly limitGraceMs?: number;
};

export type Report = {
  /** At most 50 of each invariant; `counts.violations` has them all. */
  readonly violations: readonly Violation[];
  /** Situations that the log itself shows. */
  readonly seen: Partial<Readonly<Record<Sometimes, number>>>;
  readonly counts: BookCounts & {
    readonly executions: number;
    readonly executionsCompleted: number;
    readonly executionsFailed: number;
    readonly executionsCancelled: number;
    readonly executionsCompensated: number;
    readonly compensationsFailed: number;
    readonly events: number;
    /** Events of types that this checker does not know. */
    readonly skipped: number;
    readonly calls: number;
    /** Calls with too few facts to look them up in the log. */
    readonly unjudgedCalls: number;
    readonly agentCalls: number;
    readonly views: number;
    readonly violations: number;
  };
};

const checkSettled = (book: TaskBook, violations: Violations): void => {
  for (const task of book.tasks.values()) {
    const { taskId, status, attempt, holder, waitsFor } = task;
    if ((status !== 'open' && status !== 'closing') || book.isHeldUp(task)) continue;
    const waits = waitsFor.length === 0 ? 'waits' : `waits for ${waitsFor.join(', ')}`;
    violations.add(
      'L1',
      `task ${taskId} did not end: attempt ${attempt} ${holder ? `is with ${holder.agentId}` : waits}`,
    );
  }
};

const seenInLog = (
  counts: BookCounts,
  executions: ExecutionBook,
  skipped: number,
): Partial<Record<Sometimes, number>> => ({
  ...Object.fromEntries(executions.seen),
  'assigner fenced by another': Math.max(0, counts.writersElected - 1),
  'assignment void when appended': counts.voidAssignments,
  'outcome unknown settled by a late answer': counts.lateCompletions,
  'parked then redriven': counts.redriven,
  'unknown event type skipped': skipped,
});

const checkNotTrivial = (
  { log, sometimes }: Evidence,
  { completed }: BookCounts,
  seen: Readonly<Record<string, number | undefined>>,
  minCompleted: number,
  violations: Violations,
): void => {
  if (log.length === 0) violations.add('L4', 'the log is empty');
  if (completed < minCompleted)
    violations.add('L4', `${completed} tasks completed, at least ${minCompleted} are expected`);
  for (const name of sometimes?.missing ?? []) if (!seen[name]) violations.add('L4', `never happened: ${name}`);
};

/**
 * Checks a run by its log and by what clients, agents and read models saw (reliability.md §3). One pass: S3 to S8 and S11 to S13 are
 * checked at every position, because a final state hides a moment over capacity.
 *
 * It reads events as they are stored and shares no code with what wrote them, so that both do not make the same mistake.
 *
 * Errors: throws when the log is not in order of position.
 */
export const checkInvariants = (evidence: Evidence, expectations: Expectations = {}): Report => {
  const { log, calls = [], journals = [], views = [] } = evidence;
  const { settled = true, minCompleted = 1, limitGraceMs = LIMIT_GRACE_MS } = expectations;
  const violations = new Violations();
  const book = new TaskBook(violations, limitGraceMs);
  const executions = new ExecutionBook(violations);
  const identity = new AppendIdentity(violations);
  const chains = new HashChains(violations);
  const compared = new Views(violations, book, executions, views);
  let skipped = 0;
  let before: StoredEvent | undefined;
  for (const event of log) {
    if (before && event.position <= before.position)
      throw new Error(`the log is not in order: ${event.position} follows ${before.position}`);
    before = event;
    compared.before(event);
    chains.take(event);
    identity.take(event);
    const known = book.take(event);
    if (!executions.take(event, book.taskOf(event)) && !known) skipped += 1;
  }
  compared.end();
  const unjudgedCalls = checkAnswers(calls, { identity, tasks: book, executions }, violations);
  checkIdempotency(calls, violations);
  checkJournals(journals, book, violations);
  if (settled) checkSettled(book, violations);
  if (settled) executions.checkSettled();
  const seen = seenInLog(book.counts, executions, skipped);
  checkNotTrivial(evidence, book.counts, seen, minCompleted, violations);
  const counts = {
    ...book.counts,
    executions: executions.executions.size,
    executionsCompleted: executions.count('completed'),
    executionsFailed: executions.count('failed'),
    executionsCancelled: executions.count('cancelled'),
    executionsCompensated: executions.count('compensated'),
    compensationsFailed: executions.count('compensation_failed'),
    events: log.length,
    skipped,
    calls: calls.length,
    unjudgedCalls,
    agentCalls: journals.length,
    views: compared.compared,
    violations: violations.total,
  };
  return { violations: violations.reported, seen, counts };
};
