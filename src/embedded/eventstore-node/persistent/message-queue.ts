import type { Held } from './message.ts';

/** Messages that wait, ordered by place. */
export class MessageQueue {
  private items: Held[] = [];

  get length(): number {
    return this.items.length;
  }

  /** Puts a message where its place is; behind all others is the usual case. */
  add(held: Held): void {
    let at = this.items.length;
    while (at > 0 && (this.items[at - 1] as Held).message.place > held.message.place) at--;
    this.items.splice(at, 0, held);
  }

  /** Offers messages in order. Those taken leave the queue; `stop` ends the offering and leaves the rest. */
  offer(take: (held: Held) => 'taken' | 'left' | 'stop'): void {
    const left: Held[] = [];
    let at = 0;
    for (; at < this.items.length; at++) {
      const held = this.items[at] as Held;
      const answer = take(held);
      if (answer === 'stop') break;
      if (answer === 'left') left.push(held);
    }
    if (at > left.length) this.items = left.concat(this.items.slice(at));
  }
}
