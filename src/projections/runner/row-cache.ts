import type { AnyTable } from '../define-table.ts';
import type { Row } from './fold.ts';

/** Rows of one table kept. A task's row is about a kilobyte, and needed again until the task ends. */
const MAX_ROWS = 20_000;

/**
 * The rows that the runner wrote or read last, so that it need not read them again before it changes them. Right only as long as
 * nobody else writes: after anything unexpected it is thrown away.
 */
export class RowCache {
  readonly #tables = new Map<AnyTable, Map<string, Row>>();

  has(table: AnyTable, id: string): boolean {
    return this.#tables.get(table)?.has(id) ?? false;
  }

  get(table: AnyTable, id: string): Row | undefined {
    return this.#tables.get(table)?.get(id);
  }

  /** Only tables with a row that had to be read are kept: the others are only ever written. */
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
