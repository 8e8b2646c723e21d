import type { Position } from '../../src/eventstore/event-store.ts';
import type { LogFeed, ReadFeed } from '../../src/eventstore/log-feed.ts';
import type { Clock } from '../../src/platform/clock.ts';
import type { Lease } from '../../src/platform/lease.ts';
import {
  type FoldSnapshot,
  type FoldSnapshots,
  type SnapshotPart,
  SnapshotReplaced,
} from '../../src/processes/fold-snapshots.ts';

export type MemorySnapshots = FoldSnapshots & {
  readonly saved: Map<string, MemorySnapshot>;
};

type MemorySnapshot = FoldSnapshot<unknown> & {
  readonly version: number;
  readonly token: string;
  readonly parts: ReadonlyMap<number, readonly unknown[]>;
};

const asJson = <Value>(value: unknown): Value => JSON.parse(JSON.stringify(value)) as Value;

async function* each(parts: MemorySnapshot['parts']): AsyncGenerator<SnapshotPart> {
  for (const [part, items] of parts) yield { part, items };
}

/** Snapshots as Postgres keeps them: as JSON, one per fold. */
export const memorySnapshots = (): MemorySnapshots => {
  const saved: MemorySnapshots['saved'] = new Map();
  let writings = 0;
  return {
    saved,
    load: async <State>(tenant: string, { name, version }: { name: string; version: number }) => {
      const found = saved.get(`${tenant}/${name}`);
      if (found?.version !== version) return undefined;
      return { ...found, state: asJson<State>(found.state), parts: each(found.parts) };
    },
    save: async (tenant, fold, { position, state, parts, basedOn }) => {
      const key = `${tenant}/${fold.name}`;
      const known = saved.get(key);
      if (basedOn !== undefined && known?.token !== basedOn) throw new SnapshotReplaced(fold);
      const all = new Map(basedOn === undefined ? [] : known?.parts);
      for (const { part, items } of parts) {
        if (items.length === 0) all.delete(part);
        else all.set(part, asJson<unknown[]>(items));
      }
      const token = `writing ${++writings}`;
      saved.set(key, { position, state, version: fold.version, token, parts: all });
      return token;
    },
  };
};

export type MemoryLease = {
  acquire(): Promise<Lease | undefined>;
  /** Takes the lease from who holds it, as Postgres does with one that was not renewed. */
  lose(): void;
  /** As `lose`, but nothing has told the holder yet: it was suspended, and its timers are late. */
  expire(): void;
};

/** A lease that one holder has at a time. @param clock of the store that keeps the lease */
export const memoryLease = ({ now }: Pick<Clock, 'now'>): MemoryLease => {
  let holder: AbortController | undefined;
  return {
    async acquire() {
      if (holder) return undefined;
      const mine = new AbortController();
      holder = mine;
      const leave = (): void => {
        mine.abort();
        if (holder === mine) holder = undefined;
      };
      return {
        name: 'memory',
        holder: 'test',
        epoch: 1n,
        signal: mine.signal,
        isHeld: () => {
          if (holder !== mine) mine.abort();
          return holder === mine;
        },
        now,
        confirm: async () => holder === mine,
        release: async () => leave(),
      };
    },
    lose() {
      holder?.abort();
      holder = undefined;
    },
    expire() {
      holder = undefined;
    },
  };
};

export type CountedFeed = Pick<LogFeed, 'read'> & {
  /** The position of each reader's checkpoint; undefined for one that reads from the beginning. */
  readonly readFrom: (Position | undefined)[];
  /** Events handed out, to all readers. */
  readonly events: () => number;
};

export const countedFeed = (feed: LogFeed): CountedFeed => {
  const readFrom: (Position | undefined)[] = [];
  let events = 0;
  return {
    readFrom,
    events: () => events,
    async *read(options: ReadFeed) {
      readFrom.push(options.after);
      for await (const batch of feed.read(options)) {
        events += batch.events.length;
        yield batch;
      }
    },
  };
};
