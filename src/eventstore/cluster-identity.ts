import type { Pool } from 'pg';
import { clusterStream } from '../domain/ids.ts';
import type { Clock, Ids } from '../platform/clock.ts';
import { AppError } from '../platform/errors.ts';
import { decodeEvent, encodeEvents } from './codec.ts';
import { type EventStore, RevisionConflict } from './event-store.ts';
import { EMPTY_HEAD } from './provenance.ts';

const readIdentity = async (store: EventStore, tenant: string): Promise<string | undefined> => {
  const first = (await store.readStream(clusterStream(tenant), { limit: 1 }))[0];
  const decoded = first && decodeEvent(first);
  return decoded?.type === 'ClusterCreated' ? decoded.data.clusterId : undefined;
};

/** The id of the log; a new log gets one. */
export const clusterIdOf = async (
  store: EventStore,
  ports: { clock: Clock; ids: Ids },
  tenant: string,
): Promise<string> => {
  const known = await readIdentity(store, tenant);
  if (known !== undefined) return known;
  const clusterId = ports.ids.next();
  const at = new Date(ports.clock.now()).toISOString();
  const context = {
    tenant,
    commandId: clusterId,
    correlationId: clusterId,
    causationId: clusterId,
    actor: 'baton',
    at,
  };
  const stream = clusterStream(tenant);
  const events = encodeEvents(
    stream,
    context,
    [{ type: 'ClusterCreated', data: { clusterId, createdAt: at } }],
    EMPTY_HEAD,
  );
  try {
    await store.append(stream, events, { expectedRevision: 'no_stream' });
    return clusterId;
  } catch (error) {
    // Another process created it first.
    const winner = error instanceof RevisionConflict ? await readIdentity(store, tenant) : undefined;
    if (winner === undefined) throw error;
    return winner;
  }
};

/**
 * Ties a database to the log it is derived from.
 *
 * Errors: `AppError` `CONFLICT` when the database belongs to another log: its views would be mixed with this one's.
 */
export const claimDatabase = async (database: Pool, clusterId: string): Promise<void> => {
  await database.query('INSERT INTO baton.cluster_identity (cluster_id) VALUES ($1) ON CONFLICT DO NOTHING', [
    clusterId,
  ]);
  const { rows } = await database.query<{ cluster_id: string }>('SELECT cluster_id FROM baton.cluster_identity');
  const owner = rows[0]?.cluster_id;
  if (owner === clusterId) return;
  const name = `baton_${clusterId.slice(-12)}`;
  throw new AppError(
    'CONFLICT',
    `the database of DATABASE_URL belongs to cluster ${owner}, the event store to cluster ${clusterId}. Make one for this cluster: ` +
      `psql "$DATABASE_URL" -c 'CREATE DATABASE ${name}', and end DATABASE_URL with /${name}`,
  );
};
