import { randomUUID } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import type { Position } from '../eventstore/event-store.ts';
import { inTransaction } from '../platform/transaction.ts';

/** A folded state, and the position of the last event that it holds. */
export type FoldSnapshot<State> = { readonly position: Position; readonly state: State };

/**
 * A part of a large state: small enough to be encoded in one piece, and written only when it changed. One without items is gone. The items
 * are JSON, and do not change once they are taken.
 */
export type SnapshotPart = { readonly part: number; readonly items: readonly unknown[] };

/** What snapshots are taken of. */
export interface Snapshotted {
  /** The state as JSON, without what is in parts. */
  snapshot(): object;
  /** What may be too large to be encoded in one piece: the parts that changed since this was last called, or all of them. */
  takeParts?(which: 'changed' | 'all'): readonly SnapshotPart[];
  /** Called for each part of a snapshot, before any event. */
  restorePart?(part: SnapshotPart): void;
}

/** Names one writing of a snapshot. */
export type SnapshotToken = string;

export type LoadedSnapshot<State> = FoldSnapshot<State> & {
  /** Undefined: it was never written, so the next one is written in full. */
  readonly token: SnapshotToken | undefined;
  /** Read on demand. Errors: throws `SnapshotReplaced`. */
  readonly parts: AsyncIterable<SnapshotPart>;
};

export type NewSnapshot = FoldSnapshot<unknown> & {
  readonly parts: readonly SnapshotPart[];
  /** The writing whose other parts stay; undefined when these are all parts. */
  readonly basedOn: SnapshotToken | undefined;
};

/** Which fold a snapshot is of. A snapshot of another version counts as missing. */
export type FoldId = { readonly name: string; readonly version: number };

/** Another leader wrote its snapshot while this one read or changed it: the parts of the two do not fit together. */
export class SnapshotReplaced extends Error {
  override readonly name = 'SnapshotReplaced';

  constructor({ name }: FoldId) {
    super(`another process has replaced the snapshot of ${name}`);
  }
}

/** Where leaders keep what they folded, so that the next one need not read the whole log. Disposable. */
export type FoldSnapshots = {
  load<State>(tenant: string, fold: FoldId): Promise<LoadedSnapshot<State> | undefined>;
  /** All or nothing. Errors: throws `SnapshotReplaced` when the snapshot is no longer the one that this is based on. */
  save(tenant: string, fold: FoldId, snapshot: NewSnapshot): Promise<SnapshotToken>;
};

const SELECT = `SELECT position, state, token FROM baton.fold_snapshots WHERE tenant = $1 AND fold = $2 AND version = $3`;

const SELECT_TOKEN = `SELECT token FROM baton.fold_snapshots WHERE tenant = $1 AND fold = $2`;

const UPSERT = `
INSERT INTO baton.fold_snapshots (tenant, fold, version, position, state, token) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, fold) DO UPDATE
  SET version = excluded.version, position = excluded.position, state = excluded.state, token = excluded.token, taken_at = now()`;

const SELECT_PART = `
SELECT part, items FROM baton.fold_snapshot_parts WHERE tenant = $1 AND fold = $2 AND part > $3 ORDER BY part LIMIT 1`;

const UPSERT_PART = `
INSERT INTO baton.fold_snapshot_parts (tenant, fold, part, items) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, fold, part) DO UPDATE SET items = excluded.items`;

const DELETE_PARTS = `DELETE FROM baton.fold_snapshot_parts WHERE tenant = $1 AND fold = $2`;

export const postgresSnapshots = (database: Pool): FoldSnapshots => ({
  async load<State>(tenant: string, fold: FoldId) {
    type Row = { position: bigint | string; state: State; token: SnapshotToken };
    const { rows } = await database.query<Row>(SELECT, [tenant, fold.name, fold.version]);
    const row = rows[0];
    if (!row) return undefined;
    const { state, token } = row;
    return { position: BigInt(row.position), state, token, parts: readParts(database, tenant, fold, token) };
  },
  async save(tenant, fold, { position, state, parts, basedOn }) {
    const token = randomUUID();
    const { name, version } = fold;
    await inTransaction(database, 'BEGIN', async (client) => {
      // Waits for whoever is writing it; from here on nobody else does.
      const { rows } = await client.query<{ token: SnapshotToken }>(`${SELECT_TOKEN} FOR UPDATE`, [tenant, name]);
      if (basedOn !== undefined && rows[0]?.token !== basedOn) throw new SnapshotReplaced(fold);
      await client.query(UPSERT, [tenant, name, version, position.toString(), JSON.stringify(state), token]);
      if (basedOn === undefined) await client.query(DELETE_PARTS, [tenant, name]);
      for (const part of parts) await writePart(client, tenant, name, part);
    });
    return token;
  },
});

/** One part per statement: while the database writes it, the process goes on with other things. */
const writePart = async (
  client: PoolClient,
  tenant: string,
  name: string,
  { part, items }: SnapshotPart,
): Promise<void> => {
  if (items.length === 0) await client.query(`${DELETE_PARTS} AND part = $3`, [tenant, name, part]);
  else await client.query(UPSERT_PART, [tenant, name, part, JSON.stringify(items)]);
};

/** One at a time: while the database reads the next one, the process goes on with other things. */
async function* readParts(
  database: Pool,
  tenant: string,
  fold: FoldId,
  token: SnapshotToken,
): AsyncGenerator<SnapshotPart> {
  type Row = { part: number; items: string };
  const next = async (after: number): Promise<Row | undefined> =>
    (await database.query<Row>(SELECT_PART, [tenant, fold.name, after])).rows[0];
  for (let row = await next(-1); row; row = await next(row.part))
    yield { part: row.part, items: JSON.parse(row.items) as unknown[] };
  const { rows } = await database.query<{ token: SnapshotToken }>(SELECT_TOKEN, [tenant, fold.name]);
  if (rows[0]?.token !== token) throw new SnapshotReplaced(fold);
}
