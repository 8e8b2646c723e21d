import type { ListTasksRequest, ListTasksResponse, Task } from '@a2a-js/sdk';
import { InMemoryTaskStore, type ServerCallContext, type TaskStore } from '@a2a-js/sdk/server';

/** Tasks of one generation. */
const GENERATION = 5_000;

/** The tasks of the last calls: between one and two generations of them. The library's own store never forgets one. */
export class RecentTasks implements TaskStore {
  #current = new InMemoryTaskStore();
  #previous = new InMemoryTaskStore();
  #known = new Set<string>();

  async save(task: Task, context: ServerCallContext): Promise<void> {
    if (this.#known.size >= GENERATION && !this.#known.has(task.id)) {
      this.#previous = this.#current;
      this.#current = new InMemoryTaskStore();
      this.#known = new Set();
    }
    this.#known.add(task.id);
    await this.#current.save(task, context);
  }

  async load(taskId: string, context: ServerCallContext): Promise<Task | undefined> {
    return (await this.#current.load(taskId, context)) ?? (await this.#previous.load(taskId, context));
  }

  list(params: ListTasksRequest, context: ServerCallContext): Promise<ListTasksResponse> {
    return this.#current.list(params, context);
  }
}
