/** A process that runs the projections, to be killed or suspended. It sends `leading` while it leads. */

import { createEsdbEventStore } from '#baton/eventstore/esdb-event-store.js';
import { LogFeed } from '#baton/eventstore/log-feed.js';
import { systemClock } from '#baton/platform/clock.js';
import { createLogger } from '#baton/platform/logger.js';
import { createPool } from '#baton/platform/postgres.js';
import { projectors } from '#baton/projections/registry.js';
import { ProjectionRunner } from '#baton/projections/runner/runner.js';

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
