import type { Position } from '../../eventstore/event-store.ts';
import { sleep } from '../../platform/clock.ts';
import { AppError } from '../../platform/errors.ts';
import { inTransaction } from '../../platform/transaction.ts';
import { type ProjectionContext, projectorNamed } from '../context.ts';
import { qualified } from '../names.ts';
import { type Projector, schemaOf } from '../projector.ts';
import { blockRunners, type Checkpoint, ensureReadModel, readCheckpoints, resetCheckpoint } from './checkpoint.ts';
import { ProjectionRunner } from './runner.ts';

export type RebuildProgress = {
  readonly position: Position;
  /** The head of the log when the rebuild began. */
  readonly target: Position;
  /** The part that is done, from 0 to 1. */
  readonly share: number;
  readonly events: bigint;
};

export type RebuildOptions = {
  readonly onProgress?: (progress: RebuildProgress) => void;
  /** Stops waiting; the rebuild itself goes on wherever the projections run. */
  readonly signal?: AbortSignal;
};

const POLL_MS = 100;

const newerBuild = (projector: Projector, version: number): AppError =>
  new AppError(
    'CONFLICT',
    `the read model ${projector.name} has version ${version}, this build knows ${projector.version}; use a newer build`,
  );

/** Empties a read model and sets its checkpoint before the first event, in one transaction. */
const empty = async ({ pool }: ProjectionContext, projector: Projector, head: Position | undefined): Promise<void> => {
  const found = await ensureReadModel(pool, projector, head);
  if ('newerVersion' in found) throw newerBuild(projector, found.newerVersion);
  await inTransaction(pool, 'BEGIN', async (tx) => {
    await blockRunners(tx);
    const tables = projector.tables.map((table) => qualified(schemaOf(projector), table));
    await tx.query(`TRUNCATE ${tables.join(', ')}`);
    await resetCheckpoint(tx, projector.name, projector.version, head);
  });
};

const progressOf = ({ position, events }: Checkpoint, target: Position): RebuildProgress => ({
  position,
  target,
  share: Math.min(1, Math.max(0, Number(position) / Number(target))),
  events,
});

/**
 * Rebuilds a read model from the log, in place: until it has reached the current end of the log, queries on it answer UNAVAILABLE.
 * The process that runs the projections does the work; this one does if there is no such process.
 *
 * Errors: `AppError` NOT_FOUND; CONFLICT when a newer build created the read model; UNAVAILABLE when the projection halts during the rebuild.
 */
export const rebuildProjection = async (
  context: ProjectionContext,
  name: string,
  { onProgress, signal }: RebuildOptions = {},
): Promise<void> => {
  const projector = projectorNamed(context, name);
  const head = await context.store.head();
  await empty(context, projector, head);
  if (head === undefined) return;
  const runner = new ProjectionRunner(context);
  runner.start();
  try {
    while (!signal?.aborted) {
      const [checkpoint] = await readCheckpoints(context.pool, [name]);
      if (checkpoint?.status === 'halted')
        throw new AppError('UNAVAILABLE', `the rebuild of ${name} halted: ${checkpoint.reason}`);
      if (checkpoint) onProgress?.(progressOf(checkpoint, head));
      if (checkpoint?.status === 'live') return;
      await sleep(context.clock, POLL_MS, signal);
    }
  } finally {
    await runner.stop();
  }
};
