/** A process that runs the projections, to be killed or suspended. It sends `leading` while it leads. */

import { createEsdbEventStore } from '../../src/eventstore/esdb-event-store.ts';
import { LogFeed } from '../../src/eventstore/log-feed.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createPool } from '../../src/platform/postgres.ts';
import { projectors } from '../../src/projections/registry.ts';
import { ProjectionRunner } from '../../src/projections/runner/runner.ts';

const logger = createLogger('silent');
const store = createEsdbEventStore(process.env['EVENTSTORE'] as string, { clock: systemClock, logger });
const runner = new ProjectionRunner({
  pool: createPool(process.env['DATABASE'] as string, 5, logger),
  store,
  feed: await LogFeed.start({ store, clock: systemClock, logger }),
  projectors,
  clock: systemClock,
  logger,
  holder: `victim ${process.pid}`,
  leaseMs: 500,
  maxBatch: 20, // many writes, so that kills hit some
  lingerMs: 0,
});
runner.start();
setInterval(() => {
  if (runner.status().state === 'leading') process.send?.('leading');
}, 10);
