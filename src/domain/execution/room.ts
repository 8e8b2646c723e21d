import type { Json } from '../json.ts';
import { roughBytes } from '../rough-bytes.ts';
import type { Running } from './state.ts';

/**
 * Rough bytes that one decision may add by starting steps: with a result of 256 KiB and everything in three-byte characters its append
 * stays below the store's 1 MiB. What is left starts with the next decision.
 */
const START_BYTES = 192 * 1024;

/** Of a task's first event without its input: 1,000 starts at once would leave no room for a result. */
const EVENT_BYTES = 600;

/** Room for new tasks within one decision: their number and their bytes. */
export class Room {
  readonly #maxParallel: number;
  #bytes = START_BYTES;

  constructor({ compiled }: Running) {
    this.#maxParallel = compiled.definition.coordination.maxParallel;
  }

  /** Where nothing is open there is always room, so that an execution never stops for lack of it. */
  has(execution: Running): boolean {
    return execution.openTasks < this.#maxParallel && this.takes(execution);
  }

  /** Whether the append takes more; for what is not done by agents. */
  takes({ openTasks, openChildren }: Running): boolean {
    return this.#bytes > 0 || openTasks + openChildren === 0;
  }

  take(payload: Json): void {
    this.#bytes -= roughBytes(payload) + EVENT_BYTES;
  }
}
