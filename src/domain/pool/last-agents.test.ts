import { expect, it } from 'vitest';
import { LastAgents } from './last-agents.ts';
import { MAX_AFFINITIES, MAX_TURNS } from './routing-memory.ts';

it.each([MAX_TURNS, MAX_AFFINITIES])('of %i keys those are remembered that were given an agent last', (limit) => {
  const agents = new LastAgents(limit);
  for (let n = 0; n < limit; n += 1) agents.give(`k${n}`, 'a');
  agents.give('k0', 'b');
  const restored = new LastAgents(limit, JSON.parse(JSON.stringify(agents.snapshot())));
  for (const each of [agents, restored]) {
    each.give('new', 'c');
    expect(each.snapshot()).toHaveLength(limit);
    expect(['k0', 'k1', 'k2', 'new'].map((key) => each.agentOf(key))).toEqual(['b', undefined, 'a', 'c']);
  }
  expect(restored.snapshot()).toEqual(agents.snapshot());
});
