import type pg from 'pg';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { Position } from '../../eventstore/event-store.ts';
import type { Clock } from '../../platform/clock.ts';
import { AppError } from '../../platform/errors.ts';
import { acquireLease } from '../../platform/lease.ts';
import { inTransaction } from '../../platform/transaction.ts';
import { type ProjectionContext, projectorNamed } from '../context.ts';
import type { AnyTable } from '../define-table.ts';
import { qualified, snake } from '../names.ts';
import { type Projector, schemaOf } from '../projector.ts';
import { createTables, dropSchema, NOTHING_YET, readCheckpoints, resetCheckpoint } from './checkpoint.ts';
import { Lane } from './lane.ts';
import type { Member } from './member.ts';
import { RowCache } from './row-cache.ts';
import { Writer } from './writer.ts';

export type TableVerification = {
  readonly name: string;
  /** Number of rows of the live table. */
  readonly rows: bigint;
  readonly liveDigest: string;
  readonly rebuiltDigest: string;
  readonly equal: boolean;
};

export type Verification = { readonly position: Position; readonly tables: readonly TableVerification[] };

type Digest = { readonly rows: bigint; readonly digest: string };

const MAX_BATCH = 1_000;
const PROGRESS_EVERY_MS = 100;

export type VerifyOptions = {
  readonly signal?: AbortSignal;
  /** The part of the log that has been folded again, from 0 to 1. */
  readonly onProgress?: (share: number) => void;
};

/** Takes the rows in the order of their key, so that equal tables have equal digests whatever their history. */
const digestOf = async (client: pg.ClientBase, schema: string, table: AnyTable): Promise<Digest> => {
  const key = table.key.map(snake).join(', ');
  const { rows } = await client.query<Digest>(
    `SELECT count(*) AS rows, md5(coalesce(string_agg(md5(t::text), '' ORDER BY ${key}), '')) AS digest
     FROM ${qualified(schema, table)} t`,
  );
  const [digest] = rows;
  if (digest === undefined) throw new Error('bug: an aggregate without a row');
  return digest;
};

const digestsOf = async (client: pg.ClientBase, schema: string, projector: Projector): Promise<Digest[]> => {
  const digests: Digest[] = [];
  for (const table of projector.tables) digests.push(await digestOf(client, schema, table));
  return digests;
};

/** Position and digests, from one snapshot of the database. */
const liveDigests = ({ pool }: ProjectionContext, projector: Projector) =>
  inTransaction(pool, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', async (tx) => {
    const [checkpoint] = await readCheckpoints(tx, [projector.name]);
    if (checkpoint?.version !== projector.version)
      throw new AppError(
        'UNAVAILABLE',
        `the read model ${projector.name} has version ${checkpoint?.version ?? 'none'}, this build knows ${projector.version}`,
      );
    return { position: checkpoint.position, digests: await digestsOf(tx, schemaOf(projector), projector) };
  });

/** A second copy of a read model, with its own checkpoint. */
class Copy {
  readonly #context: ProjectionContext;
  readonly #projector: Projector;
  readonly #name: string;
  readonly #schema: string;

  constructor(context: ProjectionContext, projector: Projector) {
    this.#context = context;
    this.#projector = projector;
    this.#name = `${projector.name}:verify`;
    this.#schema = `${schemaOf(projector)}_verify`;
  }

  /** Also removes what an interrupted verification left. */
  create(): Promise<void> {
    return inTransaction(this.#context.pool, 'BEGIN', async (tx) => {
      await dropSchema(tx, this.#schema);
      await createTables(tx, this.#projector, this.#schema);
      await resetCheckpoint(tx, this.#name, this.#projector.version, undefined);
    });
  }

  drop(): Promise<void> {
    return inTransaction(this.#context.pool, 'BEGIN', async (tx) => {
      await dropSchema(tx, this.#schema);
      await tx.query('DELETE FROM baton.parked_events WHERE projection = $1', [this.#name]);
      await tx.query('DELETE FROM baton.checkpoints WHERE name = $1', [this.#name]);
    });
  }

  async member(): Promise<Member> {
    const [checkpoint] = await readCheckpoints(this.#context.pool, [this.#name]);
    if (checkpoint === undefined) throw new Error(`bug: ${this.#name} has no checkpoint`);
    return {
      name: this.#name,
      projector: this.#projector,
      schema: this.#schema,
      generation: checkpoint.generation,
      position: NOTHING_YET,
      cache: new RowCache(),
      readTables: new Set(),
      blocks: new Set(),
      parked: 0,
    };
  }

  digests(client: pg.ClientBase): Promise<Digest[]> {
    return digestsOf(client, this.#schema, this.#projector);
  }
}

/**
 * Folds the log again into a copy of the read model, up to the live checkpoint, and compares the tables. The live one continues meanwhile.
 * Events that the fold refuses are in neither.
 *
 * Errors: `AppError` NOT_FOUND; CONFLICT while another verification of it runs; UNAVAILABLE when it has another version, or
 *         was reset meanwhile.
 */
export const verifyProjection = async (
  context: ProjectionContext,
  name: string,
  { signal = new AbortController().signal, onProgress }: VerifyOptions = {},
): Promise<Verification> => {
  const projector = projectorNamed(context, name);
  const { pool, leaseMs, holder, clock, logger } = context;
  const lease = await acquireLease(pool, { name: `verify/${name}`, holder, ttlMs: leaseMs, clock, logger });
  if (lease === undefined) throw new AppError('CONFLICT', `another verification of ${name} is running`);
  const copy = new Copy(context, projector);
  try {
    await copy.create();
    return await compare(context, projector, copy, { signal: AbortSignal.any([signal, lease.signal]), onProgress });
  } finally {
    await copy.drop();
    await lease.release();
  }
};

type CompareOptions = { readonly signal: AbortSignal; readonly onProgress: VerifyOptions['onProgress'] };

/** Returns a function that ends the reports. */
const reportPosition = (
  clock: Clock,
  member: Member,
  until: Position,
  onProgress: VerifyOptions['onProgress'],
): (() => void) => {
  if (onProgress === undefined || until <= 0n) return () => {};
  const report = (): void => {
    onProgress(Math.min(1, Math.max(0, Number(member.position) / Number(until))));
    cancel = clock.schedule(PROGRESS_EVERY_MS, report);
  };
  let cancel = clock.schedule(PROGRESS_EVERY_MS, report);
  return () => cancel();
};

const compare = async (
  context: ProjectionContext,
  projector: Projector,
  copy: Copy,
  { signal, onProgress }: CompareOptions,
): Promise<Verification> => {
  const client = await context.pool.connect();
  try {
    const member = await copy.member();
    const lane = new Lane(new Writer(client), [member], {
      feed: context.feed,
      clock: context.clock,
      logger: context.logger,
      decode: context.decode ?? decodeEvent,
      maxBatch: MAX_BATCH,
      lingerMs: 0,
      maxParked: Number.POSITIVE_INFINITY,
    });
    const [checkpoint] = await readCheckpoints(context.pool, [projector.name]);
    // Most of the work first, so that the snapshot of the live tables is held only briefly.
    const until = checkpoint?.position ?? NOTHING_YET;
    const stopReporting = reportPosition(context.clock, member, until, onProgress);
    await lane.run(signal, { until }).finally(stopReporting);
    const { position, digests } = await liveDigests(context, projector);
    await lane.run(signal, { until: position });
    if (member.position !== position)
      throw new AppError('UNAVAILABLE', `the verification of ${projector.name} was interrupted`, { retryable: true });
    const rebuilt = await copy.digests(client);
    return {
      position,
      tables: projector.tables.map((table, index) => comparison(table, digests[index], rebuilt[index])),
    };
  } finally {
    client.release(true); // it has prepared statements on tables that are about to be dropped
  }
};

const comparison = ({ name }: AnyTable, live: Digest | undefined, rebuilt: Digest | undefined): TableVerification => ({
  name,
  rows: live?.rows ?? 0n,
  liveDigest: live?.digest ?? '',
  rebuiltDigest: rebuilt?.digest ?? '',
  equal: live !== undefined && live.digest === rebuilt?.digest,
});
