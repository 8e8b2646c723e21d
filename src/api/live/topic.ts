import { isIn, type StreamCategory } from '../../domain/ids.ts';
import type { StoredEvent } from '../../eventstore/event-store.ts';
import type { Placed, Subscriber } from './subscriber.ts';

/** A subject that an event is about, by its stream, and the change to show for it. */
export type Concern<Change> = { readonly subject: string; readonly change: Change };

/** Whose changes a subscriber wants: one subject's, or all of a tenant that `matches`. */
export type Interest<Change> =
  | { readonly subject: string }
  | { readonly tenant: string; readonly matches: (change: Change) => boolean };

type Everything<Change extends Placed> = {
  readonly tenant: string;
  readonly matches: (change: Change) => boolean;
  readonly subscriber: Subscriber<Change>;
};

/**
 * Subscribers to one kind of change. Finding those of an event costs the same however many others there are; without subscribers an
 * event is not even decoded.
 */
export class Topic<Change extends Placed> {
  readonly #concernsOf: (event: StoredEvent) => Concern<Change>[];
  readonly #sharedCategories: readonly StreamCategory[];
  readonly #bySubject = new Map<string, Set<Subscriber<Change>>>();
  readonly #everything = new Set<Everything<Change>>();

  /** @param sharedCategories streams whose events may be about other subjects than the stream itself */
  constructor(concernsOf: (event: StoredEvent) => Concern<Change>[], sharedCategories: readonly StreamCategory[] = []) {
    this.#concernsOf = concernsOf;
    this.#sharedCategories = sharedCategories;
  }

  get size(): number {
    let size = this.#everything.size;
    for (const subscribers of this.#bySubject.values()) size += subscribers.size;
    return size;
  }

  /** The changes of an event that match `interest`; for reading history. */
  select(event: StoredEvent, interest: Interest<Change>): Change[] {
    if ('matches' in interest && event.metadata.tenant !== interest.tenant) return [];
    return this.#concernsOf(event)
      .filter(({ subject, change }) =>
        'subject' in interest ? subject === interest.subject : interest.matches(change),
      )
      .map(({ change }) => change);
  }

  publish(event: StoredEvent): void {
    if (this.#everything.size === 0 && this.#bySubject.size === 0) return;
    if (this.#everything.size === 0 && !this.#bySubject.has(event.stream) && !this.#isShared(event.stream)) return;
    for (const { subject, change } of this.#concernsOf(event)) {
      for (const subscriber of this.#bySubject.get(subject) ?? []) subscriber.push(change);
      for (const { tenant, matches, subscriber } of this.#everything)
        if (event.metadata.tenant === tenant && matches(change)) subscriber.push(change);
    }
  }

  /** Returns a function that leaves the topic. */
  join(interest: Interest<Change>, subscriber: Subscriber<Change>): () => void {
    if ('matches' in interest) {
      const entry = { ...interest, subscriber };
      this.#everything.add(entry);
      return () => this.#everything.delete(entry);
    }
    const { subject } = interest;
    const subscribers = this.#bySubject.get(subject) ?? new Set();
    this.#bySubject.set(subject, subscribers.add(subscriber));
    return () => {
      subscribers.delete(subscriber);
      if (subscribers.size === 0 && this.#bySubject.get(subject) === subscribers) this.#bySubject.delete(subject);
    };
  }

  #isShared(stream: string): boolean {
    return this.#sharedCategories.some((category) => isIn(category, stream));
  }

  endAll(): void {
    for (const subscribers of this.#bySubject.values()) for (const subscriber of subscribers) subscriber.end();
    for (const { subscriber } of this.#everything) subscriber.end();
  }
}
