import type { Pool } from 'pg';
import type { Position } from '../eventstore/event-store.ts';

/** A folded state, and the position of the last event that it holds. */
export type FoldSnapshot<State> = { readonly position: Position; readonly state: State };

/** Which fold a snapshot is of. A snapshot of another version counts as missing. */
export type FoldId = { readonly name: string; readonly version: number };

/** Where leaders keep what they folded, so that the next one need not read the whole log. Disposable. */
export type FoldSnapshots = {
  load<State>(tenant: string, fold: FoldId): Promise<FoldSnapshot<State> | undefined>;
  save(tenant: string, fold: FoldId, snapshot: FoldSnapshot<unknown>): Promise<void>;
};

const SELECT = `SELECT position, state FROM baton.fold_snapshots WHERE tenant = $1 AND fold = $2 AND version = $3`;

const UPSERT = `
INSERT INTO baton.fold_snapshots (tenant, fold, version, position, state) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, fold) DO UPDATE
  SET version = excluded.version, position = excluded.position, state = excluded.state, taken_at = now()`;

export const postgresSnapshots = (database: Pool): FoldSnapshots => ({
  async load<State>(tenant: string, { name, version }: FoldId) {
    const { rows } = await database.query<{ position: bigint | string; state: State }>(SELECT, [tenant, name, version]);
    const row = rows[0];
    return row && { position: BigInt(row.position), state: row.state };
  },
  async save(tenant, { name, version }, { position, state }) {
    await database.query(UPSERT, [tenant, name, version, position.toString(), JSON.stringify(state)]);
  },
});
