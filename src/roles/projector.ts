import { sleep } from '../platform/clock.ts';
import type { Closing } from '../platform/closing.ts';
import { PROJECTION_NAMES, projectors } from '../projections/registry.ts';
import { readCheckpoints } from '../projections/runner/checkpoint.ts';
import { type Interruptions, ProjectionRunner } from '../projections/runner/runner.ts';
import { type Core, holder, ports } from './core.ts';

/** Read models of a new log are built in a moment. Those that take longer are refused until they are. */
const BUILT_WITHIN_MS = 3_000;
const LOOK_EVERY_MS = 20;

/** Waits a moment for read models that are being built: whoever asks a server that has just started shall not be told to come again. */
export const untilBuilt = async ({ database, logger }: Core): Promise<void> => {
  const endsAt = ports.clock.monotonic() + BUILT_WITHIN_MS;
  const isBuilding = async (): Promise<boolean> => {
    try {
      return (await readCheckpoints(database, PROJECTION_NAMES)).some(({ status }) => status === 'building');
    } catch (error) {
      // Queries will say so, and the server starts all the same.
      logger.debug({ err: error }, 'the read models could not be looked at');
      return false;
    }
  };
  while (ports.clock.monotonic() < endsAt && (await isBuilding())) await sleep(ports.clock, LOOK_EVERY_MS);
};

/** Keeps the read models up to date with the log. Says what interrupts that at present. */
export const startProjector = (
  { database, store, feed, config, logger }: Core,
  closing: Closing,
): (() => Interruptions) => {
  const runner = new ProjectionRunner({
    pool: database,
    store,
    feed,
    projectors,
    clock: ports.clock,
    logger,
    holder,
    leaseMs: config.leaseMs,
  });
  runner.start();
  closing.add('the projections', () => runner.stop());
  return () => runner.status().interrupted;
};
