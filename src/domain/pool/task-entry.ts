import type { Transport } from '../agent/events.ts';
import { isCompensation } from '../execution/unit.ts';
import type { TaskState } from '../routing/eligibility.ts';
import type { RuleRef } from '../rules/rule-ref.ts';

/** Stand for the time at which an attempt expires for which nobody waits: its agent is gone, or has drained for too long. */
export const LOST = { gone: 0, drained: 1 } as const;
export type Lost = keyof typeof LOST;

export const lostBy = (expiresMs: number): Lost | undefined =>
  (Object.keys(LOST) as Lost[]).find((lost) => LOST[lost] === expiresMs);

/** Time beyond the task's own timeout after which an attempt that its agent has not closed is given up. */
export const DISPATCH_GRACE_MS = 30_000;

/** An open task of a pool. Replaced, not changed: what a snapshot took stays as it was. */
export type TaskEntry = TaskState & {
  readonly taskId: string;
  readonly attempt: number;
  readonly priority: number;
  readonly strategy: string;
  readonly timeoutMs: number;
  readonly deadlineMs: number | undefined;
  /** How much work it is, where that was stated. */
  readonly complexity: number | undefined;
  /** From when the current attempt may run; also where its ageing starts. */
  readonly readyMs: number;
  /** How long the current attempt waits, whatever `readyMs` says: that was stamped by another clock. */
  readonly waitMs: number;
  /** Agent that holds the current attempt. */
  readonly agentId: string | undefined;
  readonly expiresMs: number;
  readonly failedOn: readonly string[];
  /** The execution that the task belongs to. */
  readonly executionId: string | undefined;
  /** What routing may go by, as it was submitted. */
  readonly affinityKey: string | undefined;
  readonly specialisation: string | undefined;
  readonly targets: readonly string[] | undefined;
  /** No agent gets it before these tasks have completed. */
  readonly waitsFor: readonly string[] | undefined;
  /** What decided about its routing. */
  readonly rule: RuleRef | undefined;
  /** A compensation: goes on while its execution aborts. */
  readonly compensates: boolean;
  /** Its execution aborts and must learn whether an agent holds the task; no agent gets it any more. */
  readonly releasing: boolean;
  /** Order of arrival in the pool: decides between equal times, the same before and after a snapshot. */
  readonly seq: number;
};

/** An assignment that has not closed: what must be (re-)offered to the dispatchers. */
export type OpenAssignment = {
  readonly taskId: string;
  readonly attempt: number;
  readonly agentId: string;
  readonly transport: Transport['kind'];
  readonly executionId: string | undefined;
  readonly expiresMs: number;
};

/** What a submission and a redrive say of a task. */
type OpeningFacts = Pick<TaskEntry, 'taskId' | 'capability' | 'priority' | 'strategy' | 'timeoutMs'> & {
  readonly versionRange?: string | undefined;
  readonly deadlineAt?: string | undefined;
  readonly complexity?: number | undefined;
  readonly executionId?: string | undefined;
  readonly unit?: string | undefined;
  readonly affinityKey?: string | undefined;
  readonly specialisation?: string | undefined;
  readonly targets?: readonly string[] | undefined;
  readonly waitsFor?: readonly string[] | undefined;
  readonly rule?: RuleRef | undefined;
};

export const openEntry = (facts: OpeningFacts, attempt: number, readyMs: number, seq: number): TaskEntry => ({
  taskId: facts.taskId,
  capability: facts.capability,
  versionRange: facts.versionRange,
  priority: facts.priority,
  strategy: facts.strategy,
  timeoutMs: facts.timeoutMs,
  deadlineMs: facts.deadlineAt === undefined ? undefined : Date.parse(facts.deadlineAt),
  complexity: facts.complexity,
  attempt,
  readyMs,
  waitMs: 0,
  agentId: undefined,
  expiresMs: 0,
  failedOn: [],
  executionId: facts.executionId,
  affinityKey: facts.affinityKey,
  specialisation: facts.specialisation,
  targets: facts.targets,
  waitsFor: facts.waitsFor,
  rule: facts.rule,
  compensates: facts.unit !== undefined && isCompensation(facts.unit),
  releasing: false,
  seq,
});

type FailedAttempt = {
  readonly attempt: number;
  readonly failedAt: string;
  readonly retryAt: string;
  /** The agent that had the chance; undefined when it was never called. */
  readonly failedOn: string | undefined;
  /** When the store recorded that. */
  readonly recordedMs: number;
};

/** How the task goes on after a failed attempt that is followed by another. */
export const nextAttempt = (
  task: TaskEntry,
  { attempt, failedAt, retryAt, failedOn, recordedMs }: FailedAttempt,
): Partial<TaskEntry> => {
  const waitMs = Date.parse(retryAt) - Date.parse(failedAt);
  const isNew = failedOn !== undefined && !task.failedOn.includes(failedOn);
  return {
    agentId: undefined,
    attempt: attempt + 1,
    readyMs: Math.min(Date.parse(retryAt), recordedMs + waitMs),
    waitMs,
    ...(isNew ? { failedOn: [...task.failedOn, failedOn] } : {}),
  };
};

/** What it depends on has completed: it is as if it had come then. */
export const unblocked = (atMs: number): Partial<TaskEntry> => ({ waitsFor: undefined, readyMs: atMs, waitMs: 0 });
