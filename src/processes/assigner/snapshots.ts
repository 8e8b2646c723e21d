import type { Pool } from 'pg';
import type { LedgerSnapshot } from '../../domain/pool/ledger.ts';
import type { Position } from '../../eventstore/event-store.ts';

export type StoredSnapshot<State = LedgerSnapshot> = { readonly position: Position; readonly state: State };

/** Where a follower keeps what it folded, so that a start need not read the whole log. Disposable. */
export type SnapshotStore<State = LedgerSnapshot> = {
  /** @param name of the pool, or of what else is folded */
  load(tenant: string, name: string): Promise<StoredSnapshot<State> | undefined>;
  save(tenant: string, name: string, snapshot: StoredSnapshot<State>): Promise<void>;
};

const SELECT = `SELECT position, state FROM baton.assigner_snapshots WHERE tenant = $1 AND pool = $2 AND version = $3`;

const UPSERT = `
INSERT INTO baton.assigner_snapshots (tenant, pool, version, position, state) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, pool) DO UPDATE
  SET version = excluded.version, position = excluded.position, state = excluded.state, taken_at = now()`;

/** @param version of what a snapshot holds; those of another are not there */
export const postgresSnapshots = <State>(database: Pool, version: number): SnapshotStore<State> => ({
  async load(tenant, name) {
    const { rows } = await database.query<{ position: bigint | string; state: State }>(SELECT, [tenant, name, version]);
    const row = rows[0];
    return row && { position: BigInt(row.position), state: row.state };
  },
  async save(tenant, name, { position, state }) {
    await database.query(UPSERT, [tenant, name, version, position.toString(), JSON.stringify(state)]);
  },
});
