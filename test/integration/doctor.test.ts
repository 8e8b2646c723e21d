import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Check, formatChecks, runDoctor } from '../../src/embedded/doctor.ts';
import { clockCheck } from '../../src/embedded/doctor-stores.ts';
import { readConfig } from '../../src/platform/config.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'baton-doctor-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const doctor = async (env: Record<string, string>): Promise<Map<string, Check>> => {
  const config = readConfig({ BATON_DATA_DIR: join(folder, '.baton'), BATON_PORT: '0', ...env });
  return new Map((await runDoctor(config)).map((check) => [check.name, check]));
};

const NOWHERE = {
  DATABASE_URL: 'postgres://baton:secret@127.0.0.1:1/baton',
  REDIS_URL: 'redis://:secret@127.0.0.1:1',
  EVENTSTORE_URL: 'esdb://admin:secret@127.0.0.1:1?tls=false',
};

describe('the clock of this machine', () => {
  it.each([
    [10_000, 9_900, 10_100, 'ok', 'agrees'],
    [10_000, 9_000, 15_000, 'ok', 'agrees'],
    [70_000, 9_900, 10_000, 'warn', '60.0 s behind that of Postgres'],
    [10_000, 70_000, 70_100, 'warn', '60.0 s ahead of that of Postgres'],
  ])('with Postgres at %i, asked at %i and answered at %i', (postgres, asked, answered, status, found) =>
    expect(clockCheck(postgres, asked, answered)).toMatchObject({ status, found: expect.stringContaining(found) }),
  );
});

describe('the doctor', () => {
  it('reports what the embedded default would use when nothing is configured, and nothing fails on this machine', async () => {
    const checks = await doctor({});
    expect([...checks.values()].filter(({ status }) => status === 'fail')).toEqual([]);
    expect(checks.get('node')).toEqual({ name: 'node', status: 'ok', found: process.versions.node });
    expect(checks.get('packages')?.status).toBe('ok');
    for (const store of ['event store', 'postgres', 'redis'])
      expect(checks.get(store)?.found).toContain('_URL is not set');
    expect(checks.get('data directory')?.found).toMatch(/\.baton, \d+ MiB free$/);
  });

  it('checks the configured servers', async () => {
    const checks = await doctor({
      EVENTSTORE_URL: inject('eventStoreUrl'),
      DATABASE_URL: inject('databaseUrl'),
      REDIS_URL: inject('redisUrl'),
    });
    expect(checks.get('event store')).toMatchObject({ status: 'ok', found: expect.stringMatching(/^version \d+\./) });
    expect(checks.has('event store appends')).toBe(false);
    expect(checks.get('postgres')).toMatchObject({ status: 'ok', found: expect.stringMatching(/^version \d+/) });
    expect(checks.get('clock')?.status).toBe('ok');
    expect(checks.get('postgres role')?.status).toBeOneOf(['ok', 'warn']);
    expect(checks.get('redis')).toMatchObject({ status: 'ok' });
    expect(checks.get('redis maxmemory-policy')).toEqual({
      name: 'redis maxmemory-policy',
      status: 'ok',
      found: 'noeviction',
    });
  });

  it.skipIf(process.env['DATABASE_URL'] || process.env['REDIS_URL'])('fails settings that can lose data', async () => {
    // The tests' servers are not durable, because that is faster.
    const checks = await doctor({ DATABASE_URL: inject('databaseUrl'), REDIS_URL: inject('redisUrl') });
    expect(checks.get('postgres fsync')).toMatchObject({ status: 'fail', found: 'off' });
    expect(checks.get('postgres full_page_writes')).toMatchObject({ status: 'fail', found: 'off' });
    expect(checks.get('postgres synchronous_commit')).toMatchObject({ status: 'warn', found: 'off' });
    expect(checks.get('redis appendonly')).toMatchObject({ status: 'warn', found: 'no' });
  });

  it('fails servers that do not answer, within its time limit and without showing a password', async () => {
    const checks = await doctor(NOWHERE);
    for (const store of ['event store', 'postgres', 'redis']) {
      expect(checks.get(store)).toMatchObject({ status: 'fail', found: expect.stringContaining('ECONNREFUSED') });
    }
    expect(JSON.stringify([...checks.values()])).not.toContain('secret');
  });

  it('does not wait for a server that accepts connections but never answers', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as { port: number };
    const startedAt = performance.now();
    const checks = await doctor({
      DATABASE_URL: `postgres://baton@127.0.0.1:${port}/baton`,
      REDIS_URL: `redis://127.0.0.1:${port}`,
      EVENTSTORE_URL: `esdb://127.0.0.1:${port}?tls=false`,
    });
    silent.close();
    for (const store of ['event store', 'postgres', 'redis']) expect(checks.get(store)?.status).toBe('fail');
    expect(performance.now() - startedAt).toBeLessThan(8_000);
  });

  it('reports a port in use, an unusable folder and unknown variables', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as { port: number };
    const checks = await doctor({ BATON_PORT: String(port), BATON_DATA_DIR: '/proc/baton', BATON_PROT: '1' });
    taken.close();
    expect(checks.get('port')).toMatchObject({ status: 'fail', found: `127.0.0.1:${port}: EADDRINUSE` });
    expect(checks.get('data directory')?.status).toBe('fail');
    expect(checks.get('environment')).toMatchObject({
      status: 'warn',
      found: 'unknown setting BATON_PROT (did you mean BATON_PORT?)',
    });
  });

  it('fails a server that everyone could reach, and warns when that was asked for', async () => {
    const open = { ...NOWHERE, BATON_HOST: '0.0.0.0' };
    const refused = await doctor(open);
    expect(refused.get('exposure')).toMatchObject({
      status: 'fail',
      advice: expect.stringContaining('BATON_INSECURE'),
    });
    expect((await doctor({ ...open, BATON_INSECURE: '1' })).get('exposure')?.status).toBe('warn');
    expect((await doctor({ ...open, BATON_ROLES: 'dispatcher' })).has('exposure')).toBe(false);
  });

  it('prints one line per check with its advice below, and the totals', () => {
    const checks: Check[] = [
      { name: 'node', status: 'ok', found: '20.20.0' },
      { name: 'redis maxmemory-policy', status: 'fail', found: 'allkeys-lru', advice: 'set noeviction' },
    ];
    expect(formatChecks(checks)).toBe(
      [
        'ok    node                    20.20.0',
        'FAIL  redis maxmemory-policy  allkeys-lru',
        '                              -> set noeviction',
        '1 ok, 0 warnings, 1 failures',
      ].join('\n'),
    );
  });
});
