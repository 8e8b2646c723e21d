import type { Pool } from 'pg';
import { acquireLease, type Lease } from '../../../src/platform/lease.ts';
import type { Logger } from '../../../src/platform/logger.ts';
import type { FoldSnapshots } from '../../../src/processes/fold-snapshots.ts';
import { type MemorySnapshots, memorySnapshots } from '../leading.ts';
import { rightTime, type SimProcess } from './process.ts';
import type { SimServer } from './server.ts';
import type { Timeline } from './timeline.ts';

type Row = { epoch: bigint; expiresMs: number };

/** The leases and snapshots of the simulated world. Leases are the product's own, over the three statements that they send. */
export class SimPostgres {
  readonly #server: SimServer;
  readonly #timeline: Timeline;
  readonly #leases = new Map<string, Row>();
  readonly #snapshots: MemorySnapshots = memorySnapshots();

  constructor(server: SimServer, timeline: Timeline) {
    this.#server = server;
    this.#timeline = timeline;
  }

  leaseFor(process: SimProcess, name: string, ttlMs: number, logger: Logger): () => Promise<Lease | undefined> {
    const query = (sql: string, params: readonly unknown[]) =>
      this.#server.call(process, () => this.#query(sql, params));
    const pool = { query } as unknown as Pool;
    return () => acquireLease(pool, { name, holder: process.name, ttlMs, clock: process.clock, logger });
  }

  snapshotsFor(process: SimProcess): FoldSnapshots {
    return {
      load: (...args) => this.#server.call(process, () => this.#snapshots.load(...args)),
      save: (...args) => this.#server.call(process, () => this.#snapshots.save(...args)),
    };
  }

  #query(sql: string, [name, second, third]: readonly unknown[]): { rows: unknown[]; rowCount: number } {
    const lease = this.#leases.get(String(name));
    const { nowMs } = this.#timeline;
    const now = { nowMs: rightTime(this.#timeline) };
    if (sql.includes('INSERT INTO baton.leases')) {
      if (lease && lease.expiresMs > nowMs) return { rows: [], rowCount: 0 };
      const epoch = (lease?.epoch ?? 0n) + 1n;
      this.#leases.set(String(name), { epoch, expiresMs: nowMs + Number(third) });
      return { rows: [{ epoch, ...now }], rowCount: 1 };
    }
    if (!sql.includes('UPDATE baton.leases')) throw new Error(`no such statement in the simulation: ${sql}`);
    if (lease === undefined || lease.epoch !== second) return { rows: [], rowCount: 0 };
    if (sql.includes("SET expires_at = '-infinity'")) lease.expiresMs = Number.NEGATIVE_INFINITY;
    else if (lease.expiresMs === Number.NEGATIVE_INFINITY) return { rows: [], rowCount: 0 };
    else lease.expiresMs = nowMs + Number(third);
    return { rows: [now], rowCount: 1 };
  }
}
