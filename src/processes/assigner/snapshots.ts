import type { Pool } from 'pg';
import { type LedgerSnapshot, SNAPSHOT_VERSION } from '../../domain/pool/ledger.ts';
import type { Position } from '../../eventstore/event-store.ts';

export type StoredSnapshot = { readonly position: Position; readonly state: LedgerSnapshot };

/** Where an assigner keeps its folded pool, so that a start need not read the whole log. Disposable. */
export type SnapshotStore = {
  load(tenant: string, pool: string): Promise<StoredSnapshot | undefined>;
  save(tenant: string, pool: string, snapshot: StoredSnapshot): Promise<void>;
};

const SELECT = `SELECT position, state FROM baton.assigner_snapshots WHERE tenant = $1 AND pool = $2 AND version = $3`;

const UPSERT = `
INSERT INTO baton.assigner_snapshots (tenant, pool, version, position, state) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, pool) DO UPDATE
  SET version = excluded.version, position = excluded.position, state = excluded.state, taken_at = now()`;

export const postgresSnapshots = (database: Pool): SnapshotStore => ({
  async load(tenant, pool) {
    const { rows } = await database.query<{ position: bigint | string; state: LedgerSnapshot }>(SELECT, [
      tenant,
      pool,
      SNAPSHOT_VERSION,
    ]);
    const row = rows[0];
    return row && { position: BigInt(row.position), state: row.state };
  },
  async save(tenant, pool, { position, state }) {
    await database.query(UPSERT, [tenant, pool, SNAPSHOT_VERSION, position.toString(), JSON.stringify(state)]);
  },
});
