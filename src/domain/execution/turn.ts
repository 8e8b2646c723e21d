import type { TaskRouting } from './commands.ts';
import type { ExecutionStreamEvent } from './events.ts';
import { evolveExecution } from './evolve.ts';
import type { Running } from './state.ts';

/** One decision in the making: each event is taken in at once, so that what follows from it is decided on the state after it. */
export class Turn {
  readonly events: ExecutionStreamEvent[] = [];
  readonly now: string;
  readonly routing: TaskRouting | undefined;
  #state: Running;

  constructor(state: Running, now: string, routing?: TaskRouting) {
    this.#state = state;
    this.now = now;
    this.routing = routing;
  }

  get state(): Running {
    return this.#state;
  }

  emit(event: ExecutionStreamEvent): void {
    const next = evolveExecution(this.#state, event);
    if (next.status === 'none') throw new Error(`bug: ${event.type} ends in nothing`);
    this.#state = next;
    this.events.push(event);
  }
}
