import { describe, expect, it } from 'vitest';
import { ownStores } from './own-stores.ts';

describe('the stores that the environment names', () => {
  const env = {
    EVENTSTORE_URL: 'esdb://admin:secret@one.example:2113,two.example:2113?tls=true',
    DATABASE_URL: 'postgres://baton:s@cret@db.example:5432/baton',
    REDIS_URL: 'rediss://redis.example:6379/0',
  };

  it('are shown by their hosts, without credentials', () => {
    expect(ownStores(env)).toEqual({
      urls: env,
      hosts: 'event store one.example:2113,two.example:2113, Postgres db.example:5432, Redis redis.example:6379',
    });
  });

  it('must all be named', () => {
    const refused = () => ownStores({ ...env, EVENTSTORE_URL: undefined, REDIS_URL: '' });
    expect(refused).toThrow('--stores env needs EVENTSTORE_URL and REDIS_URL');
  });
});
