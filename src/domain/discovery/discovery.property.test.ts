import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ServiceType } from '../agent/descriptor.ts';
import { Health } from '../agent/events.ts';
import { AgentIndex } from './agent-index.ts';
import { discoverAmong } from './answer.ts';
import type { Candidate } from './candidate.ts';
import { type DiscoverAgentsInput, READINESS } from './query.ts';

const NAMES = ['read', 'write', 'draw'] as const;
const VERSIONS = ['1.0.0', '1.2.0', '2.0.0', '2.1.0-rc.1'] as const;
const RANGES = ['^1.0.0', '>=2.0.0', '1.2.x', '*'] as const;
const NOW_MS = 1_000;
const TAGS = ['gpu', 'cpu', 'eu'] as const;
const TYPES = ServiceType.options.slice(0, 3);

const location = fc.record(
  { region: fc.constantFrom('eu', 'us'), zone: fc.constantFrom('a', 'b') },
  { requiredKeys: ['region'] },
);
const maybe = <Value>(of: fc.Arbitrary<Value>) => fc.option(of, { nil: undefined });

const candidate: fc.Arbitrary<Candidate> = fc.record({
  agentId: fc.integer({ min: 0, max: 40 }).map((n) => `agent-${n}`),
  pool: fc.constantFrom('default', 'other'),
  capabilities: fc.array(fc.record({ name: fc.constantFrom(...NAMES), version: fc.constantFrom(...VERSIONS) }), {
    minLength: 1,
    maxLength: 4,
  }),
  version: maybe(fc.constantFrom(...VERSIONS)),
  serviceTypes: fc.subarray([...TYPES]),
  tags: fc.subarray([...TAGS]),
  location: maybe(location),
  maxConcurrency: fc.integer({ min: 1, max: 2 }),
  health: fc.constantFrom(...Health.options),
  draining: fc.boolean(),
  maintenance: fc.boolean(),
  warming: fc.boolean(),
  open: fc.integer({ min: 0, max: 2 }),
  unreachable: fc.boolean(),
  pausedUntilMs: maybe(fc.constantFrom(NOW_MS, NOW_MS + 1)),
  openBreakers: fc.subarray([...NAMES]),
});

const question: fc.Arbitrary<DiscoverAgentsInput> = fc.record({
  pool: maybe(fc.constantFrom('default', 'other', 'empty')),
  capabilities: fc.array(
    fc.record(
      { name: fc.constantFrom(...NAMES, 'fly'), versionRange: fc.constantFrom(...RANGES) },
      { requiredKeys: ['name'] },
    ),
    { maxLength: 3 },
  ),
  serviceTypes: fc.subarray([...TYPES], { maxLength: 2 }),
  tags: fc.subarray([...TAGS, 'nowhere'], { maxLength: 2 }),
  agentVersion: maybe(fc.constantFrom(...RANGES)),
  preferredLocation: maybe(location),
  minHealth: fc.constantFrom(0, 0.5, 1),
  readiness: fc.constantFrom(...READINESS),
  limit: fc.integer({ min: 1, max: 8 }),
});

const change = fc.oneof(
  { weight: 5, arbitrary: candidate.map((agent) => ({ put: agent })) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 40 }).map((n) => ({ gone: `agent-${n}` })) },
);

it('an index that followed any changes answers as a look at each agent does', () =>
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 80 }),
      fc.array(question, { minLength: 1, maxLength: 10 }),
      (changes, asked) => {
        const index = new AgentIndex();
        const agents = new Map<string, Candidate>();
        for (const each of changes)
          if ('put' in each) {
            index.put(each.put);
            agents.set(each.put.agentId, each.put);
          } else {
            index.delete(each.gone);
            agents.delete(each.gone);
          }
        for (const query of asked) {
          const answer = index.discover(query, NOW_MS);
          expect(answer).toEqual(discoverAmong([...agents.values()], query, NOW_MS));
          const leftOut = answer.leftOut.reduce((sum, { count }) => sum + count, 0);
          const inPool = [...agents.values()].filter(({ pool }) => query.pool === undefined || pool === query.pool);
          expect(answer.total + leftOut).toBe(inPool.length);
        }
      },
    ),
    { numRuns: 300 },
  ));
