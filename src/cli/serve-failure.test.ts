import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { run } from './run.ts';

/** Nothing listens on port 1. */
const AWAY = {
  EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false',
  DATABASE_URL: 'postgres://ada:secret@127.0.0.1:1/baton',
  REDIS_URL: 'redis://127.0.0.1:1',
};

const serve = async ({ BATON_PORT = '0', ...env }: Record<string, string>, ...args: string[]) => {
  const output = { out: '', err: '' };
  const terminal = {
    env: { ...AWAY, ...env, BATON_PORT },
    stdin: Readable.from([]),
    out: (text: string) => {
      output.out += text;
    },
    err: (text: string) => {
      output.err += text;
    },
    progress: undefined,
    colour: false,
  };
  const code = await run(terminal, ['serve', '--json', '--log-level', 'silent', ...args]);
  return { code, error: JSON.parse(output.out).error.code, err: output.err };
};

describe('a server whose Postgres is away', () => {
  it('ends with exit code 3, the reason and what to do', async () => {
    const { err, ...ended } = await serve({});
    expect(ended).toEqual({ code: 3, error: 'UNAVAILABLE' });
    expect(err).toMatch(/Postgres at 127\.0\.0\.1:1 cannot be reached: .*DATABASE_URL/);
    expect(err).toContain('baton doctor');
    expect(err).not.toMatch(/secret|\bat \S+\.[jt]s/);
  });
});

describe('a server beyond loopback, where nobody signs in', () => {
  it('refuses to start with the name of the setting, or of the flag, that asks for it', async () => {
    const set = await serve({ BATON_HOST: '0.0.0.0' });
    expect(set).toMatchObject({ code: 2, error: 'BAD_CONFIGURATION' });
    expect(set.err).toMatch(/ {2}- BATON_HOST="0\.0\.0\.0": .*no sign-in.*BATON_INSECURE=1/);
    expect((await serve({}, '--host', '::')).err).toContain('--host="::": is not on loopback');
  });

  it('goes on to start when asked to, and where this process serves no API', async () => {
    expect(await serve({ BATON_HOST: '0.0.0.0', BATON_INSECURE: '1' })).toMatchObject({ code: 3 });
    expect(await serve({ BATON_HOST: '0.0.0.0', BATON_ROLES: 'dispatcher' })).toMatchObject({ code: 3 });
  });
});

describe('a server that cannot listen', () => {
  it('ends before it looks for its stores', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const port = String((taken.address() as AddressInfo).port);
    const { code, error, err } = await serve({ BATON_PORT: port });
    taken.close();
    expect({ code, error }).toEqual({ code: 1, error: 'CONFLICT' });
    expect(err).toBe(`error: port ${port} on 127.0.0.1 is in use; set BATON_PORT to another, or 0 for a free one\n`);
  });

  it('names the setting', async () => {
    const { code, err } = await serve({ BATON_HOST: '192.0.2.1', BATON_INSECURE: '1' });
    expect({ code, err }).toEqual({
      code: 2,
      err: 'error: invalid configuration:\n  - BATON_HOST="192.0.2.1": this machine has no such address\n',
    });
  });
});
