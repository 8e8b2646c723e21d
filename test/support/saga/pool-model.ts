import type { ExecutionStreamEvent } from '../../../src/domain/execution/events.ts';

export type PooledTask = {
  readonly taskId: string;
  readonly compensates: boolean;
  attempt: number;
  held: boolean;
  /** The execution is to be told whether an agent holds it; no agent gets it any more. */
  releasing: boolean;
};

/** How the writer of a pool interprets an execution's events (see `domain/pool/ledger.ts`), in a few lines of its own. */
export class PoolModel {
  readonly tasks = new Map<string, PooledTask>();
  #paused = false;

  observe({ type, data }: ExecutionStreamEvent): void {
    switch (type) {
      case 'TaskSubmitted':
      case 'TaskRedriven': {
        const { taskId, unit } = data;
        const attempt = type === 'TaskRedriven' ? data.nextAttempt : 1;
        const compensates = unit?.startsWith('~') ?? false;
        this.tasks.set(taskId, { taskId, compensates, attempt, held: false, releasing: false });
        return;
      }
      case 'TaskAttemptFailed': {
        const task = this.tasks.get(data.taskId);
        if (data.retryAt === undefined) this.tasks.delete(data.taskId);
        else if (task) Object.assign(task, { attempt: data.attempt + 1, held: false });
        return;
      }
      case 'TaskCompleted':
      case 'TaskFailed':
      case 'TaskCancelled':
      case 'TaskOutcomeUnknown':
        this.tasks.delete(data.taskId);
        return;
      case 'ExecutionPaused':
        this.#paused = true;
        return;
      case 'ExecutionResumed':
        this.#paused = false;
        return;
      case 'ExecutionAborting':
        if (data.reason !== 'step_failed') this.#paused = false;
        for (const task of this.tasks.values())
          if (!task.compensates && (!task.held || data.interrupt)) task.releasing = true;
        return;
      default:
        return;
    }
  }

  assignable(): PooledTask[] {
    return this.#paused ? [] : this.#where(({ held, releasing }) => !held && !releasing);
  }

  held(): PooledTask[] {
    return this.#where(({ held }) => held);
  }

  releasing(): PooledTask[] {
    return this.#where(({ releasing }) => releasing);
  }

  #where(holds: (task: PooledTask) => boolean): PooledTask[] {
    return [...this.tasks.values()].filter(holds);
  }
}
