import { describe, expect, it } from 'vitest';
import { readConfig } from '../../platform/config.ts';
import { OwnOrigins } from './own-origins.ts';
import { egressOf } from './policy.ts';

const EXTERNAL = { EVENTSTORE_URL: 'esdb://log:2113' };
const NO_API = { BATON_ROLES: 'dispatcher' };
const PRIVATE = { BATON_ALLOW_PRIVATE_AGENTS: 'true' };

const loopbackWith = (...env: Record<string, string>[]): boolean =>
  egressOf(readConfig(Object.assign({}, ...env)), new OwnOrigins()).allowLoopback;

describe('agents on loopback', () => {
  it.each(['127.0.0.1', '127.0.0.9', 'localhost', '::1', '::ffff:127.0.0.1'])(
    'are called where the API listens on %s, and only this machine can ask for it',
    (BATON_HOST) => {
      expect(loopbackWith({ BATON_HOST })).toBe(true);
      expect(loopbackWith({ BATON_HOST }, EXTERNAL)).toBe(true);
    },
  );

  it.each(['0.0.0.0', '::', '10.0.0.4', 'baton.example.com', 'localhost.example.com'])(
    'are not called where it listens on %s, unless private agents are allowed',
    (BATON_HOST) => {
      expect(loopbackWith({ BATON_HOST })).toBe(false);
      expect(loopbackWith({ BATON_HOST }, PRIVATE)).toBe(true);
    },
  );

  it('are not called by a process of a cluster whose API is elsewhere', () => {
    expect(loopbackWith(EXTERNAL, NO_API)).toBe(false);
    expect(loopbackWith(EXTERNAL, NO_API, PRIVATE)).toBe(true);
  });
});
