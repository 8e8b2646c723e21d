import type { ConsumerStrategy } from './consumer-strategy.ts';
import { type Consumer, hasRoom } from './message.ts';
import { PinnedStrategy } from './pinned.ts';
import type { StrategyName } from './settings.ts';

export const strategyOf = (name: StrategyName): ConsumerStrategy => {
  switch (name) {
    case 'RoundRobin':
      return new RotatingStrategy('afterEach');
    case 'DispatchToSingle':
      return new RotatingStrategy('whenFull');
    case 'Pinned':
    case 'PinnedByCorrelation':
      return new PinnedStrategy(); // they differ in what the bucket of a message is made of
  }
};

/** Goes round the consumers, past those that are full. */
class RotatingStrategy implements ConsumerStrategy {
  readonly inOrder = true;
  #consumers: readonly Consumer[] = [];
  #next = 0;
  readonly #moveOn: 'afterEach' | 'whenFull';

  constructor(moveOn: 'afterEach' | 'whenFull') {
    this.#moveOn = moveOn;
  }

  arrange(consumers: readonly Consumer[]): void {
    const nextUp = this.#consumers[this.#next];
    this.#consumers = consumers;
    this.#next = Math.max(0, nextUp ? consumers.indexOf(nextUp) : 0);
  }

  choose(): Consumer | undefined {
    const count = this.#consumers.length;
    for (let tried = 0; tried < count; tried++) {
      const at = (this.#next + tried) % count;
      const consumer = this.#consumers[at] as Consumer;
      if (!hasRoom(consumer)) continue;
      this.#next = this.#moveOn === 'afterEach' ? (at + 1) % count : at;
      return consumer;
    }
    return undefined;
  }
}
