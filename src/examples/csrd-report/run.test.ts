import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { configOf } from './run.ts';

const urls = {
  EVENTSTORE_URL: 'esdb://one.example?tls=false',
  DATABASE_URL: 'postgres://db.example/baton',
  REDIS_URL: 'redis://redis.example',
};

it('uses stores of the environment only when asked to', () => {
  const folder = mkdtempSync(join(tmpdir(), 'csrd-report-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const env = { ...urls, BATON_DATA_DIR: folder };
  const none = { eventStoreUrl: undefined, databaseUrl: undefined, redisUrl: undefined };
  expect(configOf(env, undefined)).toMatchObject(none);
  expect(configOf(env, urls)).toMatchObject({ eventStoreUrl: urls.EVENTSTORE_URL, databaseUrl: urls.DATABASE_URL });
});
