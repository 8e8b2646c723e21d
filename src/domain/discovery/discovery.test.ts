import { describe, expect, it } from 'vitest';
import { AgentIndex } from './agent-index.ts';
import { MAX_NAMED } from './answer.ts';
import type { Candidate } from './candidate.ts';
import { DiscoverAgentsInput } from './query.ts';

const NOW_MS = 1_000;

const agent = (agentId: string, facts: Partial<Candidate> = {}): Candidate => ({
  agentId,
  pool: 'default',
  capabilities: [{ name: 'translate', version: '1.0.0' }],
  version: undefined,
  serviceTypes: [],
  tags: [],
  location: undefined,
  maxConcurrency: 2,
  health: 'healthy',
  draining: false,
  maintenance: false,
  warming: false,
  open: 0,
  unreachable: false,
  openBreakers: [],
  ...facts,
});

const over = (...agents: readonly Candidate[]) => {
  const index = new AgentIndex();
  for (const each of agents) index.put(each);
  return {
    index,
    ask: (query: object = {}) => {
      const { total, agents: found, leftOut } = index.discover(DiscoverAgentsInput.parse(query), NOW_MS);
      return { total, ids: found.map(({ agentId }) => agentId), leftOut };
    },
  };
};
const left = (reason: string, ...agentIds: string[]) => ({ reason, count: agentIds.length, agentIds });

describe('a question without conditions', () => {
  it('finds every agent that is not unhealthy, the healthiest first', () =>
    expect(
      over(agent('c'), agent('b', { health: 'degraded' }), agent('a'), agent('d', { health: 'unhealthy' })).ask(),
    ).toEqual({ total: 3, ids: ['a', 'c', 'b'], leftOut: [left('health', 'd')] }));

  it('finds the unhealthy too where no health is asked for', () =>
    expect(over(agent('a', { health: 'unhealthy' })).ask({ minHealth: 0 })).toMatchObject({ total: 1, ids: ['a'] }));

  it('counts those beyond the limit', () =>
    expect(over(agent('a'), agent('b'), agent('c')).ask({ limit: 2 })).toMatchObject({ total: 3, ids: ['a', 'b'] }));
});

describe('capabilities', () => {
  const { ask } = over(
    agent('both', {
      capabilities: [
        { name: 'read', version: '1.0.0' },
        { name: 'write', version: '2.1.0' },
      ],
    }),
    agent('old', {
      capabilities: [
        { name: 'read', version: '1.0.0' },
        { name: 'write', version: '1.0.0' },
      ],
    }),
    agent('reader', { capabilities: [{ name: 'read', version: '3.0.0' }] }),
    agent('other'),
  );

  it('are all required, each in its range', () =>
    expect(ask({ capabilities: [{ name: 'read' }, { name: 'write', versionRange: '^2.0.0' }] })).toEqual({
      total: 1,
      ids: ['both'],
      leftOut: [left('capability', 'other', 'reader'), left('version', 'old')],
    }));

  it('that nobody offers leave out everyone', () =>
    expect(ask({ capabilities: [{ name: 'fly' }] })).toEqual({
      total: 0,
      ids: [],
      leftOut: [left('capability', 'both', 'old', 'other', 'reader')],
    }));
});

describe('service types and tags', () => {
  const { ask } = over(
    agent('a', { serviceTypes: ['analysis'], tags: ['gpu'] }),
    agent('b', { serviceTypes: ['storage'], tags: ['cpu'] }),
    agent('c', { serviceTypes: ['analysis'] }),
    agent('d'),
  );

  it('are alternatives', () => {
    expect(ask({ serviceTypes: ['analysis', 'storage'] })).toMatchObject({ ids: ['a', 'b', 'c'] });
    expect(ask({ tags: ['gpu', 'cpu'] })).toMatchObject({ ids: ['a', 'b'], leftOut: [left('tag', 'c', 'd')] });
  });

  it('are both required where both are asked for', () =>
    expect(ask({ serviceTypes: ['analysis'], tags: ['gpu'] })).toEqual({
      total: 1,
      ids: ['a'],
      leftOut: [left('service_type', 'b', 'd'), left('tag', 'c')],
    }));
});

describe('the version of the agent', () => {
  it('leaves out agents outside the range and those that state none', () =>
    expect(
      over(agent('a', { version: '2.0.0' }), agent('b', { version: '1.0.0' }), agent('c')).ask({ agentVersion: '>=2' }),
    ).toEqual({ total: 1, ids: ['a'], leftOut: [left('agent_version', 'b', 'c')] }));
});

describe('a preferred location', () => {
  const { ask } = over(
    agent('far', { location: { region: 'us' } }),
    agent('here', { location: { region: 'eu', zone: 'b' }, health: 'degraded' }),
    agent('near', { location: { region: 'eu', zone: 'a' } }),
    agent('nowhere'),
  );

  it('comes before health, zone before region, and leaves nobody out', () => {
    expect(ask({ preferredLocation: { region: 'eu', zone: 'b' } }).ids).toEqual(['here', 'near', 'far', 'nowhere']);
    expect(ask({ preferredLocation: { region: 'eu' } }).ids).toEqual(['near', 'here', 'far', 'nowhere']);
  });
});

describe('readiness', () => {
  const { ask } = over(
    agent('able'),
    agent('away', { unreachable: true }),
    agent('full', { open: 2 }),
    agent('leaving', { draining: true }),
    agent('sick', { health: 'unhealthy' }),
  );

  it('discovered: registered', () => expect(ask({ minHealth: 0 }).total).toBe(5));

  it('reachable: healthy enough for work, and its last call arrived', () =>
    expect(ask({ minHealth: 0, readiness: 'reachable' })).toEqual({
      total: 3,
      ids: ['able', 'full', 'leaving'],
      leftOut: [left('unhealthy', 'sick'), left('unreachable', 'away')],
    }));

  it('able now: has a free place too, and takes new work', () =>
    expect(ask({ minHealth: 0, readiness: 'able_now' })).toMatchObject({
      ids: ['able'],
      leftOut: [
        left('unhealthy', 'sick'),
        left('unreachable', 'away'),
        left('draining', 'leaving'),
        left('no_slot', 'full'),
      ],
    }));
});

describe('an index of agents', () => {
  it('follows changes of what an agent offers, its pool and its departure', () => {
    const { index, ask } = over(agent('a', { tags: ['x'] }));
    index.put(agent('a', { tags: ['y'], pool: 'other' }));
    expect(ask({ tags: ['x'] })).toMatchObject({ total: 0, leftOut: [left('tag', 'a')] });
    expect(ask({ pool: 'default' })).toEqual({ total: 0, ids: [], leftOut: [] });
    expect(ask({ pool: 'other', tags: ['y'] })).toMatchObject({ ids: ['a'] });
    index.delete('a');
    index.delete('a');
    expect(ask()).toEqual({ total: 0, ids: [], leftOut: [] });
    expect(index.size).toBe(0);
  });

  it('names some of many that are left out, and counts them all', () => {
    const many = Array.from({ length: 50 }, (_, n) => agent(`a${String(n).padStart(2, '0')}`));
    const { leftOut } = over(...many).ask({ tags: ['x'] });
    expect(leftOut).toEqual([
      { reason: 'tag', count: 50, agentIds: many.slice(0, MAX_NAMED).map(({ agentId }) => agentId) },
    ]);
  });
});

describe('a question', () => {
  it.each([
    ['capabilities', [{ name: 'a b' }]],
    ['capabilities', [{ name: 'a', versionRange: 'x y' }]],
    ['capabilities', Array.from({ length: 21 }, (_, n) => ({ name: `c${n}` }))],
    ['serviceTypes', ['cooking']],
    ['tags', [1]],
    ['agentVersion', '1 ||'],
    ['preferredLocation', { zone: 'b' }],
    ['minHealth', 1.1],
    ['minHealth', '1'],
    ['readiness', 'soon'],
    ['limit', 0],
    ['limit', 101],
    ['limit', 1.5],
    ['pool', 'a-b'],
  ])('is refused with %s %j', (field, value) =>
    expect(DiscoverAgentsInput.safeParse({ [field]: value }).error?.issues[0]?.path[0]).toBe(field),
  );
});
