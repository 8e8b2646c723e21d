import type { Position, StoredEvent } from '../eventstore/event-store.ts';
import type { ExecutionBook } from './execution-book.ts';
import type { ExecutionEntry } from './execution-entry.ts';
import type { TaskBook, TaskEntry } from './task-book.ts';
import type { Violations } from './violations.ts';

/** The compared columns of the read model `tasks`. */
export type TaskViewRow = {
  readonly tenant: string;
  readonly taskId: string;
  readonly status: string;
  /** The attempt that may run now, or that ended the task. */
  readonly attempt: number;
  /** Attempts that failed. */
  readonly failures: number;
};

/** The compared columns of the read model `executions`. */
export type ExecutionViewRow = {
  readonly tenant: string;
  readonly executionId: string;
  readonly status: string;
  /** Compensations that are neither completed nor skipped. */
  readonly debtsOpen: number;
};

/** A read model as it was at one moment: rows and checkpoint of one database snapshot. */
type Sample = {
  /** Identifies one copy of the read model: its samples are compared with each other. */
  readonly name: string;
  /** Undefined before the first event. */
  readonly checkpoint: Position | undefined;
  /** Hash of the event at the checkpoint, if the read model keeps it. */
  readonly checkpointHash?: string;
  /** It was rebuilt since the previous sample, so its checkpoint may be lower. */
  readonly rebuilt?: boolean;
};
export type TaskView = Sample & { readonly rows: Iterable<TaskViewRow> };
export type ExecutionView = Sample & { readonly executions: Iterable<ExecutionViewRow> };
export type View = TaskView | ExecutionView;

const statusOf = ({ status, holder, waitsFor }: TaskEntry): string => {
  switch (status) {
    case 'open':
      if (waitsFor.length > 0) return 'blocked';
      return holder ? 'assigned' : 'ready';
    case 'closing':
    case 'parked':
      return 'dead_lettered';
    default:
      return status;
  }
};

const statusOfExecution = ({ status, paused, abort }: ExecutionEntry): string => {
  if (paused && (status === 'executing' || status === 'aborting' || status === 'compensating')) return 'paused';
  if (status === 'aborting') return abort?.compensate ? 'compensating' : 'executing';
  return status;
};

const openCompensations = ({ compensations }: ExecutionEntry): number =>
  [...(compensations?.values() ?? [])].filter(({ ended }) => ended === 'no' || ended === 'parked').length;

/** Which attempt a parked or cancelled task shows is up to the read model. */
const attemptCounts = ({ status }: TaskEntry): boolean =>
  status === 'open' || status === 'completed' || status === 'indeterminate';

const keyOf = (tenant: string, id: string): string => `${tenant}/${id}`;

/** S14 and S15. Each view waits for the position of its checkpoint, so that one pass over the log compares all of them. */
export class Views {
  readonly #violations: Violations;
  readonly #book: TaskBook;
  readonly #executions: ExecutionBook;
  /** By checkpoint, lowest last. */
  readonly #waiting: View[];
  #last: StoredEvent | undefined;
  compared = 0;

  constructor(violations: Violations, book: TaskBook, executions: ExecutionBook, views: readonly View[]) {
    this.#violations = violations;
    this.#book = book;
    this.#executions = executions;
    this.#checkOrder(views);
    this.#waiting = [...views].sort((a, b) => Number((b.checkpoint ?? -1n) - (a.checkpoint ?? -1n)));
  }

  /** To be called before the books take the event. */
  before(event: StoredEvent): void {
    this.#compareUntil((checkpoint) => checkpoint < event.position);
    this.#last = event;
  }

  /** To be called at the end of the log. */
  end(): void {
    const head = this.#last?.position;
    for (const { name, checkpoint } of this.#waiting)
      if (checkpoint !== undefined && (head === undefined || checkpoint > head))
        this.#violations.add('S15', `view ${name} is at ${checkpoint}, beyond the head of the log at ${head}`);
    this.#compareUntil(() => true);
  }

  #checkOrder(views: readonly View[]): void {
    const before = new Map<string, Position>();
    for (const { name, checkpoint, rebuilt } of views) {
      const known = before.get(name);
      if (!rebuilt && known !== undefined && (checkpoint === undefined || checkpoint < known))
        this.#violations.add('S15', `view ${name} went back from ${known} to ${checkpoint}`);
      if (checkpoint === undefined) before.delete(name);
      else before.set(name, checkpoint);
    }
  }

  #compareUntil(reached: (checkpoint: Position) => boolean): void {
    for (let view = this.#waiting.at(-1); view && reached(view.checkpoint ?? -1n); view = this.#waiting.at(-1)) {
      this.#waiting.pop();
      this.#compare(view);
    }
  }

  #compare(view: View): void {
    const { name, checkpoint, checkpointHash } = view;
    this.compared += 1;
    const wrong = (what: string): void => this.#violations.add('S14', `view ${name} at ${checkpoint}: ${what}`);
    if (checkpointHash !== undefined && checkpoint !== undefined) {
      const event = this.#last?.position === checkpoint ? this.#last : undefined;
      if (event?.metadata.hash !== checkpointHash)
        this.#violations.add(
          'S15',
          `view ${name} is at ${checkpoint}, where the log has another event than the one it folded`,
        );
    }
    if ('rows' in view) this.#compareTasks(view.rows, wrong);
    else this.#compareExecutions(view.executions, wrong);
  }

  #compareTasks(rows: Iterable<TaskViewRow>, wrong: (what: string) => void): void {
    const seen = new Set<string>();
    for (const row of rows) {
      const task = this.#book.task(row.tenant, row.taskId);
      const key = keyOf(row.tenant, row.taskId);
      if (seen.has(key)) wrong(`task ${row.taskId} has two rows`);
      seen.add(key);
      if (task) this.#compareRow(task, row, wrong);
      else wrong(`there is no task ${row.taskId}`);
    }
    for (const { tenant, taskId } of this.#book.tasks.values())
      if (!seen.has(keyOf(tenant, taskId))) wrong(`task ${taskId} has no row`);
  }

  #compareExecutions(rows: Iterable<ExecutionViewRow>, wrong: (what: string) => void): void {
    const seen = new Set<string>();
    for (const { tenant, executionId, status, debtsOpen } of rows) {
      const execution = this.#executions.execution(tenant, executionId);
      const key = keyOf(tenant, executionId);
      if (seen.has(key)) wrong(`execution ${executionId} has two rows`);
      seen.add(key);
      if (!execution) {
        wrong(`there is no execution ${executionId}`);
        continue;
      }
      const [expected, open] = [statusOfExecution(execution), openCompensations(execution)];
      if (status !== expected) wrong(`execution ${executionId} is ${status}, the log says ${expected}`);
      if (debtsOpen !== open)
        wrong(`execution ${executionId} has ${debtsOpen} open compensations, the log says ${open}`);
    }
    for (const { tenant, executionId } of this.#executions.executions.values())
      if (!seen.has(keyOf(tenant, executionId))) wrong(`execution ${executionId} has no row`);
  }

  #compareRow(task: TaskEntry, row: TaskViewRow, wrong: (what: string) => void): void {
    const status = statusOf(task);
    if (row.status !== status) wrong(`task ${row.taskId} is ${row.status}, the log says ${status}`);
    if (row.failures !== task.failures)
      wrong(`task ${row.taskId} has ${row.failures} failures, the log says ${task.failures}`);
    if (attemptCounts(task) && row.attempt !== task.attempt)
      wrong(`task ${row.taskId} is at attempt ${row.attempt}, the log says ${task.attempt}`);
  }
}
