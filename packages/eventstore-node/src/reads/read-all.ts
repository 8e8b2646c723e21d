import type { EventStore } from '../store/event-store.ts';
import type { Start } from '../wire/read-request.ts';
import { isHiddenFromAll } from './all-content.ts';
import type { EventFilter } from './event-filter.ts';
import type { MessageSource, OutputChunk } from './output.ts';
import type { Renderer } from './renderer.ts';
import { ScanBudget } from './scan-budget.ts';
import { SpanReader } from './span-reader.ts';

export type ReadAllOptions = {
  readonly from: Start;
  readonly backwards: boolean;
  readonly count: number;
  readonly filter: EventFilter | undefined;
};

/** All events in log order from a position on, or backwards from before one. */
export class ReadAll implements MessageSource {
  readonly #reader: SpanReader;
  readonly #towards: number;
  #next: number;
  #left: number;
  readonly #renderer: Renderer;
  readonly #options: ReadAllOptions;

  constructor(store: EventStore, renderer: Renderer, options: ReadAllOptions) {
    this.#renderer = renderer;
    this.#options = options;
    this.#reader = new SpanReader(store, (index) => index);
    this.#left = options.count;
    const newest = store.index.visible - 1;
    this.#towards = options.backwards ? 0 : newest;
    const before = Math.min(eventsBefore(store, options.from), newest + 1);
    this.#next = options.backwards ? before - 1 : before;
  }

  fill(chunk: OutputChunk): 'more' | 'done' {
    const { backwards, filter } = this.#options;
    const budget = new ScanBudget();
    while (!budget.isSpent && !chunk.isFull) {
      if (this.#left === 0 || (backwards ? this.#next < 0 : this.#next > this.#towards)) return 'done';
      const record = this.#reader.record(this.#next, this.#towards);
      this.#next += backwards ? -1 : 1;
      budget.spend(record);
      if (isHiddenFromAll(record) || (filter && !filter(record))) continue;
      chunk.add(this.#renderer.frame(record));
      this.#left--;
    }
    return 'more';
  }
}

/** Number of events in front of a position; the position itself is not in front. */
const eventsBefore = (store: EventStore, from: Start): number => {
  if (from === 'start') return 0;
  if (from === 'end') return store.index.visible;
  return store.index.positions.countUpTo(from - 1);
};
