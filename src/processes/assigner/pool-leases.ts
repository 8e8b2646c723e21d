import type pg from 'pg';
import type { PoolServer } from '../../domain/pool/leading-plan.ts';
import type { Clock } from '../../platform/clock.ts';
import { acquireLease, type Lease } from '../../platform/lease.ts';
import type { Logger } from '../../platform/logger.ts';

/** Who leads, and who might. */
export type PoolsLed = {
  readonly servers: readonly PoolServer[];
  /** By pool; a process of an older version is not among `servers`. */
  readonly leaders: ReadonlyMap<string, string>;
  /** Pools whose leader has not renewed its lease, and that leader. */
  readonly lapsed: ReadonlyMap<string, string>;
};

/** The leases of pools, and of the processes that may lead them. */
export type PoolLeases = {
  /** Errors: whatever keeps the leases from being read. */
  look(): Promise<PoolsLed>;
  /** Counts this process among those that may lead, for as long as it holds this lease. */
  join(): Promise<Lease | undefined>;
  /** Undefined while another process leads the pool. */
  acquire(pool: string): Promise<Lease | undefined>;
};

export type PoolLeasesOptions = {
  readonly database: pg.Pool;
  readonly tenant: string;
  readonly processId: string;
  /** The pools that this process may lead; undefined: any. */
  readonly only: readonly string[] | undefined;
  readonly ttlMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
};

const ANY = '*';

const LOOK = `
  SELECT name, holder, expires_at > clock_timestamp() AS held FROM baton.leases
  WHERE (starts_with(name, $1) OR starts_with(name, $2)) AND expires_at > '-infinity'`;

/** Of processes that were killed. */
const FORGET = `DELETE FROM baton.leases WHERE starts_with(name, $1) AND expires_at < clock_timestamp() - interval '1 hour'`;

type Row = { readonly name: string; readonly holder: string; readonly held: boolean };

const leasesOf = (tenant: string) => ({ pools: `assigner:${tenant}.`, servers: `assigners:${tenant}/` });

/** Who leads the pools of the tenant, as its leases say. Errors: as `PoolLeases.look`. */
export const readPoolsLed = async (
  database: { query<R extends pg.QueryResultRow>(text: string, values: unknown[]): Promise<{ rows: R[] }> },
  tenant: string,
): Promise<PoolsLed> => {
  const names = leasesOf(tenant);
  const { rows } = await database.query<Row>(LOOK, [names.pools, names.servers]);
  const servers: PoolServer[] = [];
  const leaders = new Map<string, string>();
  const lapsed = new Map<string, string>();
  for (const { name, holder, held } of rows) {
    if (name.startsWith(names.pools)) (held ? leaders : lapsed).set(name.slice(names.pools.length), holder);
    else if (held)
      servers.push({ id: name.slice(names.servers.length), only: holder === ANY ? undefined : holder.split(',') });
  }
  return { servers, leaders, lapsed };
};

export const postgresPoolLeases = (options: PoolLeasesOptions): PoolLeases => {
  const { database, tenant, processId, only, ...lease } = options;
  const names = leasesOf(tenant);
  return {
    look: () => readPoolsLed(database, tenant),
    async join() {
      await database.query(FORGET, [names.servers]);
      return acquireLease(database, {
        ...lease,
        name: `${names.servers}${processId}`,
        holder: only === undefined ? ANY : only.join(','),
      });
    },
    acquire: (pool) => acquireLease(database, { ...lease, name: `${names.pools}${pool}`, holder: processId }),
  };
};
