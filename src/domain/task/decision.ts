import type { Result } from '../result.ts';
import type { TaskEvent } from './events.ts';

export type TaskRejection =
  | { readonly reason: 'TaskAlreadyExists' }
  | { readonly reason: 'TaskNotFound' }
  | { readonly reason: 'TaskNotCancellable'; readonly status: string }
  | { readonly reason: 'TaskNotRedrivable'; readonly status: string }
  | { readonly reason: 'TaskNotRunning'; readonly status: string }
  | { readonly reason: 'StaleAttempt'; readonly attempt: number; readonly current: number }
  | { readonly reason: 'AttemptAlreadyStarted'; readonly attempt: number }
  | { readonly reason: 'DeadlinePassed'; readonly deadlineAt: string };

export type Decision = Result<TaskEvent[], TaskRejection>;
