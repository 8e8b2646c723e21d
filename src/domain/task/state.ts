import type { AttemptError, TaskEvent } from './events.ts';

export type SubmittedFacts = Extract<TaskEvent, { type: 'TaskSubmitted' }>['data'];

/**
 * The task lifecycle (design §2). `attempt` is the number of the attempt that may run now: attempts 1 … attempt-1 are closed. Whether it
 * is waiting or assigned is in the pool's ledger, not here. One that depends on other tasks is open from its submission on, and waits for them.
 *
 *   none ──submit──▶ open(1) ──complete──▶ completed
 *                     │  ├─fail, budget left──▶ open(k+1)
 *                     │  ├─fail, no budget or not retryable, or deadline──▶ deadLettered ──redrive──▶ open(k+1), new budget
 *                     │  └─outcome unknown──▶ indeterminate ──late completion──▶ completed, ──redrive──▶ open(k+1)
 *                     └─cancel──▶ cancelled          (also from deadLettered and indeterminate)
 *
 * A task of an execution becomes `failed` where a stand-alone task becomes `deadLettered`.
 */
export type Task =
  | { readonly status: 'none' }
  | (Facts & {
      readonly status: 'open';
      /** Started by an agent that must not be called twice. */
      readonly started: boolean;
    })
  | (Facts & { readonly status: 'indeterminate' })
  | (Facts & { readonly status: 'deadLettered' })
  | (Facts & { readonly status: 'failed' })
  | (Facts & { readonly status: 'completed' })
  | (Facts & { readonly status: 'cancelled' });

type Facts = {
  readonly submitted: SubmittedFacts;
  readonly attempt: number;
  /** The current attempt may be in an agent's hands, or on the way there. */
  readonly offered: boolean;
  /** Closed attempts that do not count against the retry budget: those before a redrive, those that were never sent, and those whose agent was gone. */
  readonly budgetFrom: number;
  /** Attempts that ended because their agent was gone, since the last redrive. */
  readonly agentsGone?: number;
  readonly deadlineAt: string | undefined;
  /** No agent gets it before these tasks have completed. */
  readonly waitsFor?: readonly string[];
  /** The first of the attempts in a row that reached no agent. */
  readonly unreachableSince?: string;
  /** Last checkpoint an attempt reported, for the next attempt to go on from. */
  readonly checkpoint: unknown;
};

export type KnownTask = Exclude<Task, { status: 'none' }>;

export type OpenTask = Extract<Task, { status: 'open' }>;

/**
 * Whether the failed attempt uses up one of those that the task may have. One whose agent was gone does not, but no more often than the task
 * may be tried: it may be the task that ends its agents.
 */
export const usesUpAttempt = (task: KnownTask, { notSent, agentGone }: AttemptError): boolean =>
  !notSent && !(agentGone && (task.agentsGone ?? 0) < task.submitted.retry.maxAttempts);

/** Attempts that were begun, or may have been; a task that failed permanently has the number of the next one already. */
export const attemptsMade = (task: KnownTask): number =>
  task.status === 'failed' || task.status === 'deadLettered' ? task.attempt - 1 : task.attempt;

export const initialTask = (): Task => ({ status: 'none' });
