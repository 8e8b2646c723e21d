import { describe, expect, it } from 'vitest';
import { Exclusion } from '../pool/events.ts';
import {
  ABILITY,
  type AgentState,
  AVAILABILITY,
  ELIGIBILITY,
  PREFERENCE,
  type Requirement,
  sortOut,
} from './eligibility.ts';

const agent = (facts: Partial<AgentState> = {}): AgentState => ({
  agentId: 'a',
  capabilities: [{ name: 'echo', version: '1.4.0' }],
  draining: false,
  health: 'healthy',
  open: 0,
  maxConcurrency: 2,
  ...facts,
});
const asks = (versionRange?: string): Requirement => ({ capability: 'echo', versionRange });

describe('the rules', () => {
  it('cover each exclusion that a decision can record exactly once', () =>
    expect(ELIGIBILITY.map(({ name }) => name).sort()).toEqual([...Exclusion.options].sort()));

  it.each<[string, Partial<AgentState>, string | undefined]>([
    ['does not offer the capability', { capabilities: [{ name: 'other', version: '1.4.0' }] }, 'capability'],
    ['offers only older versions', { capabilities: [{ name: 'echo', version: '0.9.0' }] }, 'version'],
    [
      'offers another capability in that version',
      {
        capabilities: [
          { name: 'echo', version: '0.9.0' },
          { name: 'other', version: '1.4.0' },
        ],
      },
      'version',
    ],
    ['is draining', { draining: true, health: 'unhealthy' }, 'draining'],
    ['is under maintenance', { maintenance: true, warming: true }, 'maintenance'],
    ['warms up', { warming: true, health: 'unhealthy' }, 'warming'],
    ['is unhealthy', { health: 'unhealthy', open: 2 }, 'unhealthy'],
    ['is at its limit', { open: 2 }, 'no_slot'],
    ['is over a limit that was lowered', { open: 3 }, 'no_slot'],
    ['is in reserve', { standby: true }, undefined],
    ['is degraded', { health: 'degraded' }, undefined],
    ['is fit', {}, undefined],
  ])('give the first one that excludes an agent that %s as its reason', (_, facts, reason) => {
    const { eligible, excluded } = sortOut([agent(facts)], [...ABILITY, ...AVAILABILITY], asks('^1.0.0'));
    expect(excluded).toEqual(reason === undefined ? {} : { [reason]: 1 });
    expect(eligible).toHaveLength(reason === undefined ? 1 : 0);
  });

  it('require no version when the task does not', () =>
    expect(
      sortOut([agent({ capabilities: [{ name: 'echo', version: '2.0.0-rc.1' }] })], ABILITY, asks()).eligible,
    ).toHaveLength(1));

  it('prefer agents that have not failed the task', () => {
    const task = { ...asks(), failedOn: ['a'] };
    const { eligible, excluded } = sortOut([agent(), agent({ agentId: 'b' })], PREFERENCE, task);
    expect(eligible.map(({ agentId }) => agentId)).toEqual(['b']);
    expect(excluded).toEqual({ failed_before: 1 });
  });
});
