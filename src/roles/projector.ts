import type { Closing } from '../platform/closing.ts';
import { projectors } from '../projections/registry.ts';
import { type Interruptions, ProjectionRunner } from '../projections/runner/runner.ts';
import { type Core, holder, ports } from './core.ts';

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
