import { roughBytes } from '../domain/rough-bytes.ts';
import type { Clock } from '../platform/clock.ts';
import type { EventStore, Position } from './event-store.ts';

/** Followers that start together, such as the leaders of many pools, are about this far apart at most. */
const MAX_PAGES = 16;
const MAX_BYTES = 32 * 1024 * 1024;
const KEEP_MS = 2_000;

type Page = Awaited<ReturnType<EventStore['readAll']>>;
type Shared = { readonly after: Position; readonly page: Promise<Page>; bytes: number };

/** The part of a page that comes after a position in it. */
const from = ({ events, next }: Page, after: Position, limit: number): Page => {
  const later = events.filter(({ position }) => position > after);
  const taken = later.slice(0, limit);
  return { events: taken, next: taken.length < later.length ? taken.at(-1)?.position : next };
};

/** Pages of the log that several followers read at about the same time are read once. */
export class SharedPages {
  readonly #read: EventStore['readAll'];
  readonly #clock: Clock;
  readonly #pages: Shared[] = [];
  #bytes = 0;

  constructor(read: EventStore['readAll'], clock: Clock) {
    this.#read = read;
    this.#clock = clock;
  }

  /** As `EventStore.readAll`; a page may be shorter than the limit although more follows. */
  async after(position: Position, limit: number): Promise<Page> {
    for (let tried: Shared | undefined; ; ) {
      const shared = this.#nearest(position);
      if (shared === undefined || shared === tried) return this.#fetch(position, limit);
      const page = await shared.page;
      if (shared.after === position || (page.next !== undefined && page.next > position))
        return from(page, position, limit);
      // By now another follower may have asked for the page that is needed.
      tried = shared;
    }
  }

  /** The page that may hold what comes after the position. */
  #nearest(position: Position): Shared | undefined {
    let nearest: Shared | undefined;
    for (const shared of this.#pages)
      if (shared.after <= position && (nearest === undefined || shared.after > nearest.after)) nearest = shared;
    return nearest;
  }

  #fetch(position: Position, limit: number): Promise<Page> {
    const page = this.#read(position < 0n ? { limit } : { after: position, limit });
    const shared: Shared = { after: position, page, bytes: 0 };
    this.#pages.push(shared);
    if (this.#pages.length > MAX_PAGES) this.#drop(this.#pages[0] as Shared);
    page.then(
      ({ events, next }) => {
        // At the end of the log there may be more the next time.
        if (next === undefined || !this.#pages.includes(shared)) return this.#drop(shared);
        shared.bytes = roughBytes(events, 100);
        this.#bytes += shared.bytes;
        while (this.#bytes > MAX_BYTES) this.#drop(this.#pages[0] as Shared);
        this.#clock.schedule(KEEP_MS, () => this.#drop(shared));
      },
      () => this.#drop(shared),
    );
    return page;
  }

  #drop(shared: Shared): void {
    const index = this.#pages.indexOf(shared);
    if (index < 0) return;
    this.#pages.splice(index, 1);
    this.#bytes -= shared.bytes;
  }
}
