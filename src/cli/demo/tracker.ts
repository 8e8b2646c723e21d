export type Times = {
  /** From the call of the mutation to its answer, in milliseconds, ascending. */
  readonly submitMs: readonly number[];
  /** From the call of the mutation to the notification of the task's end, in milliseconds, ascending. */
  readonly endToEndMs: readonly number[];
  /** From the first call to the last notification. */
  readonly spanMs: number;
};

type Waiter = { readonly count: number; readonly resolve: () => void };

const ascending = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b);

/** Records when the tasks of a run were submitted, and when the client learned that they ended. */
export class Tracker {
  readonly #calledAt = new Map<string, number>();
  /** Includes tasks of other runs, and tasks whose submission was not answered yet. */
  readonly #heardAt = new Map<string, number>();
  readonly #submitMs: number[] = [];
  readonly #waiters: Waiter[] = [];
  #ended = 0;

  /** Tasks of this run that have ended. */
  get ended(): number {
    return this.#ended;
  }

  get taskIds(): string[] {
    return [...this.#calledAt.keys()];
  }

  submitted(taskId: string, calledAt: number, answeredAt: number): void {
    this.#submitMs.push(answeredAt - calledAt);
    this.#calledAt.set(taskId, calledAt);
    if (this.#heardAt.has(taskId)) this.#count();
  }

  heard(taskId: string, at: number): void {
    if (this.#heardAt.has(taskId)) return;
    this.#heardAt.set(taskId, at);
    if (this.#calledAt.has(taskId)) this.#count();
  }

  /** Resolves once so many tasks of this run have ended. */
  untilEnded(count: number): Promise<void> {
    if (this.#ended >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ count, resolve }));
  }

  times(): Times {
    const tasks = [...this.#calledAt].flatMap(([taskId, calledAt]) => {
      const heardAt = this.#heardAt.get(taskId);
      return heardAt === undefined ? [] : [{ calledAt, heardAt }];
    });
    const first = Math.min(...tasks.map(({ calledAt }) => calledAt));
    const last = Math.max(...tasks.map(({ heardAt }) => heardAt));
    return {
      submitMs: ascending(this.#submitMs),
      endToEndMs: ascending(tasks.map(({ calledAt, heardAt }) => heardAt - calledAt)),
      spanMs: tasks.length === 0 ? 0 : last - first,
    };
  }

  #count(): void {
    this.#ended += 1;
    for (const { count, resolve } of this.#waiters) if (this.#ended >= count) resolve();
  }
}
