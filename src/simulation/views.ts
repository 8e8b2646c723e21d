import type { Position, StoredEvent } from '../eventstore/event-store.ts';
import type { TaskBook, TaskEntry } from './task-book.ts';
import type { Violations } from './violations.ts';

/** A row of the read model `tasks`, as far as it is compared. */
export type TaskViewRow = {
  readonly tenant: string;
  readonly taskId: string;
  readonly status: string;
  /** The attempt that may run, or that ended the task. */
  readonly attempt: number;
  /** Attempts that failed. */
  readonly failures: number;
};

/** The read model as it was at one moment: rows and checkpoint of one database snapshot. */
export type TaskView = {
  /** Which copy of the read model; samples of one copy are compared with each other. */
  readonly name: string;
  /** Undefined: it has taken in nothing yet. */
  readonly checkpoint: Position | undefined;
  /** Hash of the event at the checkpoint, when the read model keeps it. */
  readonly checkpointHash?: string;
  readonly rows: Iterable<TaskViewRow>;
  /** It was started over since the sample before, so its checkpoint may be lower. */
  readonly rebuilt?: boolean;
};

const statusOf = ({ phase, holder }: TaskEntry): string => {
  switch (phase) {
    case 'open':
      return holder ? 'assigned' : 'ready';
    case 'closing':
    case 'parked':
      return 'dead_lettered';
    default:
      return phase;
  }
};

/** While it runs and once it is done, a task's attempt is beyond doubt; of a parked or cancelled one it is a matter of taste. */
const attemptCounts = ({ phase }: TaskEntry): boolean =>
  phase === 'open' || phase === 'completed' || phase === 'indeterminate';

const keyOf = ({ tenant, taskId }: { readonly tenant: string; readonly taskId: string }): string =>
  `${tenant}/${taskId}`;

/** S14 and S15. Views wait for the position of their checkpoint, so that all are compared in one pass over the log. */
export class Views {
  readonly #violations: Violations;
  readonly #book: TaskBook;
  /** By checkpoint, lowest last. */
  readonly #waiting: TaskView[];
  #last: StoredEvent | undefined;
  compared = 0;

  constructor(violations: Violations, book: TaskBook, views: readonly TaskView[]) {
    this.#violations = violations;
    this.#book = book;
    this.#checkOrder(views);
    this.#waiting = [...views].sort((a, b) => Number((b.checkpoint ?? -1n) - (a.checkpoint ?? -1n)));
  }

  /** Call before the event is taken into the book. */
  before(event: StoredEvent): void {
    this.#compareUntil((checkpoint) => checkpoint < event.position);
    this.#last = event;
  }

  /** Call at the end of the log. */
  end(): void {
    const head = this.#last?.position;
    for (const { name, checkpoint } of this.#waiting)
      if (checkpoint !== undefined && (head === undefined || checkpoint > head))
        this.#violations.add('S15', `view ${name} is at ${checkpoint}, beyond the head of the log at ${head}`);
    this.#compareUntil(() => true);
  }

  #checkOrder(views: readonly TaskView[]): void {
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

  #compare({ name, checkpoint, checkpointHash, rows }: TaskView): void {
    this.compared += 1;
    const wrong = (what: string): void => this.#violations.add('S14', `view ${name} at ${checkpoint}: ${what}`);
    if (checkpointHash !== undefined && checkpoint !== undefined) {
      const event = this.#last?.position === checkpoint ? this.#last : undefined;
      if (event?.metadata.hash !== checkpointHash)
        this.#violations.add(
          'S15',
          `view ${name} is at ${checkpoint}, where the log has another event than the one it took in`,
        );
    }
    const seen = new Set<string>();
    for (const row of rows) {
      const task = this.#book.task(row.tenant, row.taskId);
      if (seen.has(keyOf(row))) wrong(`task ${row.taskId} has two rows`);
      seen.add(keyOf(row));
      if (task) this.#compareRow(task, row, wrong);
      else wrong(`there is no task ${row.taskId}`);
    }
    for (const task of this.#book.tasks.values()) if (!seen.has(keyOf(task))) wrong(`task ${task.taskId} has no row`);
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
