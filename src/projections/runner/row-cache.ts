import type { AnyTable } from '../define-table.ts';
import type { Row } from './fold.ts';

/** Rows kept per table. A task's row is about a kilobyte and is needed again until the task ends. */
const MAX_ROWS = 20_000;

/**
 * The rows that the runner wrote or read last, so that it can change them without reading them again. Valid only while nobody else
 * writes: after anything unexpected the cache is discarded.
 */
export class RowCache {
  readonly #tables = new Map<AnyTable, Map<string, Row>>();

  has(table: AnyTable, id: string): boolean {
    return this.#tables.get(table)?.has(id) ?? false;
  }

  get(table: AnyTable, id: string): Row | undefined {
    return this.#tables.get(table)?.get(id);
  }

  /** To be called only for tables whose rows are read: the others are only ever written. */
  keep(table: AnyTable, rows: Iterable<readonly [string, Row]>): void {
    const cached = this.#tables.get(table) ?? new Map<string, Row>();
    this.#tables.set(table, cached);
    for (const [id, row] of rows) {
      cached.delete(id); // to the end: the oldest are dropped first
      cached.set(id, row);
    }
    for (const id of cached.keys()) {
      if (cached.size <= MAX_ROWS) break;
      cached.delete(id);
    }
  }
}
