import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { announceServer, findServer } from './server-file.ts';

const FACTS = {
  url: 'http://127.0.0.1:4000',
  eventStoreUrl: 'esdb://127.0.0.1:2113?tls=false',
  databaseUrl: 'postgres://baton:secret@127.0.0.1:5432/baton',
  redisUrl: 'redis://127.0.0.1:6379',
};

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'baton-cli-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

const rewrite = async (change: Record<string, unknown>): Promise<void> => {
  const path = join(dataDir, 'server.json');
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...change }));
};

describe('the announcement of a running server', () => {
  it('is found while its process runs, and is readable only by its owner', async () => {
    announceServer(dataDir, FACTS);
    expect(findServer(dataDir)).toEqual({ state: 'running', server: FACTS, pid: process.pid });
    expect((await stat(join(dataDir, 'server.json'))).mode & 0o777).toBe(0o600);
  });

  it('is gone once it is withdrawn', () => {
    const takeBack = announceServer(dataDir, FACTS);
    takeBack();
    takeBack();
    expect(findServer(dataDir)).toEqual({ state: 'none' });
  });

  it('is stale when its process has ended, even if another one now has its id', async () => {
    announceServer(dataDir, FACTS);
    await rewrite({ startToken: 'another boot/1' });
    expect(findServer(dataDir)).toEqual({ state: 'stale', pid: process.pid });
  });

  it('is not changed by a server that it does not name', async () => {
    const takeBack = announceServer(dataDir, FACTS);
    await rewrite({ pid: 1 });
    takeBack();
    expect(findServer(dataDir).state).toBe('stale');
  });

  it('counts as missing when it is damaged', async () => {
    await writeFile(join(dataDir, 'server.json'), '{"url":');
    expect(findServer(dataDir)).toEqual({ state: 'none' });
    await writeFile(join(dataDir, 'server.json'), '{"url":"http://x"}');
    expect(findServer(dataDir)).toEqual({ state: 'none' });
    expect(findServer(join(dataDir, 'missing'))).toEqual({ state: 'none' });
  });
});
