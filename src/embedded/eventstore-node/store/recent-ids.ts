import type { StreamId } from '../index/event-index.ts';

/** Two generations of this many ids are remembered: about 8 MB. */
const GENERATION = 32_768;

/** Remembers which event ids were written where not long ago. Starts empty; the older half is forgotten at a time. */
export class RecentIds {
  private young = new Map<string, number>();
  private old = new Map<string, number>();

  remember(stream: StreamId, id: string, revision: number): void {
    if (this.young.size >= GENERATION) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(keyOf(stream, id), revision);
  }

  find(stream: StreamId, id: string): number | undefined {
    const key = keyOf(stream, id);
    return this.young.get(key) ?? this.old.get(key);
  }

  forget(stream: StreamId, id: string): void {
    const key = keyOf(stream, id);
    this.young.delete(key);
    this.old.delete(key);
  }
}

function keyOf(stream: StreamId, id: string): string {
  return id + stream;
}
