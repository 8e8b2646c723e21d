import { afterAll } from 'vitest';
import { createLogger } from '../../src/platform/logger.ts';
import { runningStores } from '../support/simulation/stores.ts';
import { describeAttemptQueue } from './attempt-queue.contract.ts';
import { describeEventStore } from './event-store.contract.ts';
import { describeFoldSnapshots, describeLeases, describeRenewedRecords } from './process-stores.contract.ts';

const stores = runningStores();
const fresh: { close(): Promise<void> }[] = [stores];
afterAll(() => Promise.all(fresh.map((each) => each.close())));
const emptyStores = () => {
  const made = runningStores();
  fresh.push(made);
  return made;
};

describeEventStore('simulated', async () => stores.log.for(stores.process('client')));

describeAttemptQueue('simulated Redis', async () => {
  const { redis, process, close } = emptyStores();
  const client = process('client');
  return {
    offers: redis.offersFor(client),
    workers: redis.workersFor(client),
    flush: async () => redis.flush(),
    close,
  };
});

describeRenewedRecords('simulated Redis', () => ({
  redis: stores.redis.clientFor(stores.process('client')),
  prefix: 'contract',
}));

const LEASE_MS = 1_000;

describeLeases('simulated Postgres', () => {
  const { postgres, process } = emptyStores();
  const acquireIn = (client: ReturnType<typeof process>, name: string) =>
    postgres.leaseFor(client, name, LEASE_MS, createLogger('silent'))();
  return {
    acquire: (name, holder) => acquireIn(process(holder), name),
    acquireAndSleep: async (name, holder) => {
      const sleeper = process(holder);
      const lease = await acquireIn(sleeper, name);
      sleeper.suspend(Number.MAX_SAFE_INTEGER);
      return lease;
    },
  };
});

describeFoldSnapshots('simulated Postgres', () => {
  const { postgres, process } = emptyStores();
  return postgres.snapshotsFor(process('client'));
});
