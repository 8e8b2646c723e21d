import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { run } from './run.ts';

/** Nothing listens on port 1. */
const AWAY = {
  EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false',
  DATABASE_URL: 'postgres://ada:secret@127.0.0.1:1/baton',
  REDIS_URL: 'redis://127.0.0.1:1',
};

describe('a server whose Postgres is away', () => {
  it('ends with exit code 3, the reason and what to do', async () => {
    const output = { out: '', err: '' };
    const terminal = {
      env: AWAY,
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
    const code = await run(terminal, ['serve', '--port', '0', '--json', '--log-level', 'silent']);
    expect({ code, error: JSON.parse(output.out).error.code }).toEqual({ code: 3, error: 'UNAVAILABLE' });
    expect(output.err).toMatch(/Postgres at 127\.0\.0\.1:1 cannot be reached: .*DATABASE_URL/);
    expect(output.err).toContain('baton doctor');
    expect(output.err).not.toMatch(/secret|\bat \S+\.[jt]s/);
  });
});
