import type { Held } from './message.ts';

/** Messages that wait, handed out in the order of their places. */
export class MessageQueue {
  #items: Held[] = [];
  #isOrdered = true;

  get length(): number {
    return this.#items.length;
  }

  /** Brought into order when it is offered: all that a client gives back at once is sorted once. */
  add(held: Held): void {
    const last = this.#items.at(-1);
    if (last && last.message.place > held.message.place) this.#isOrdered = false;
    this.#items.push(held);
  }

  /** Offers messages in order. Those taken leave the queue; `stop` ends the offering and leaves the rest. */
  offer(take: (held: Held) => 'taken' | 'left' | 'stop'): void {
    if (!this.#isOrdered) this.#items.sort((a, b) => a.message.place - b.message.place);
    this.#isOrdered = true;
    const left: Held[] = [];
    let at = 0;
    for (; at < this.#items.length; at++) {
      const held = this.#items[at] as Held;
      const answer = take(held);
      if (answer === 'stop') break;
      if (answer === 'left') left.push(held);
    }
    if (at > left.length) this.#items = left.concat(this.#items.slice(at));
  }
}
