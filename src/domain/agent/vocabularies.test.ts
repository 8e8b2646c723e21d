import { describe, expect, it } from 'vitest';
import {
  type AgentFacts,
  everyFacts,
  keysOfStates,
  STATE_NAMES,
  stateNames,
  stateOf,
  VOCABULARY_NAMES,
} from './vocabularies.ts';

const facts = (some: Partial<AgentFacts> = {}): AgentFacts => ({
  status: 'active',
  health: 'healthy',
  silent: false,
  load: 'idle',
  maintenance: false,
  standby: false,
  ...some,
});

/** Names that an agent of Baton is never seen in. */
const NEVER = [
  'lifecycle:registered',
  'high_concurrency:requested',
  'high_concurrency:spawning',
  'coordinator:created',
];

describe('the vocabularies', () => {
  it('have the names of the systems that they come from', () => {
    expect(stateNames('lifecycle').sort()).toEqual([
      'busy',
      'draining',
      'ready',
      'registered',
      'terminated',
      'warming',
    ]);
    expect(stateNames('orchestrator').sort()).toEqual(
      ['initializing', 'active', 'busy', 'idle', 'sleeping', 'error', 'shutting_down', 'terminated'].sort(),
    );
    expect(stateNames('high_concurrency')).toHaveLength(10);
    expect(stateNames('task_manager').sort()).toEqual(['available', 'busy', 'draining', 'error', 'offline']);
    expect(stateNames('registry').sort()).toEqual(['active', 'decommissioned', 'degraded', 'inactive', 'maintenance']);
    expect(stateNames('coordinator')).toHaveLength(8);
    expect(stateNames('supervisor').sort()).toEqual(['busy', 'failed', 'idle', 'offline']);
    expect(stateNames('monitor').sort()).toEqual(['degraded', 'healthy', 'unhealthy', 'unknown']);
  });

  it('have one state for any facts, and each of their states occurs, but for those before a registration', () => {
    const seen = new Set<string>();
    for (const each of everyFacts())
      for (const vocabulary of VOCABULARY_NAMES) seen.add(`${vocabulary}:${stateOf(vocabulary, each)}`);
    expect([...seen].sort()).toEqual(STATE_NAMES.filter((name) => !NEVER.includes(name)).sort());
  });

  it.each<[Partial<AgentFacts>, string, string, string, string]>([
    [{}, 'ready', 'idle', 'available', 'active'],
    [{ load: 'some' }, 'busy', 'active', 'available', 'active'],
    [{ load: 'full' }, 'busy', 'busy', 'busy', 'active'],
    [{ status: 'warming' }, 'warming', 'initializing', 'offline', 'inactive'],
    [{ status: 'draining', load: 'some' }, 'draining', 'shutting_down', 'draining', 'maintenance'],
    [{ status: 'deregistered' }, 'terminated', 'terminated', 'offline', 'decommissioned'],
    [{ maintenance: true, health: 'unhealthy', silent: true }, 'ready', 'sleeping', 'offline', 'maintenance'],
    [{ health: 'unhealthy', silent: true }, 'ready', 'error', 'offline', 'inactive'],
    [{ health: 'unhealthy' }, 'ready', 'error', 'error', 'degraded'],
    [{ health: 'degraded' }, 'ready', 'idle', 'available', 'degraded'],
    [{ standby: true }, 'ready', 'sleeping', 'available', 'active'],
  ])('say of %o: %s, %s, %s, %s', (some, lifecycle, orchestrator, taskManager, registry) =>
    expect([
      stateOf('lifecycle', facts(some)),
      stateOf('orchestrator', facts(some)),
      stateOf('task_manager', facts(some)),
      stateOf('registry', facts(some)),
    ]).toEqual([lifecycle, orchestrator, taskManager, registry]),
  );

  it('are asked by full names: any of them, of several vocabularies', () => {
    const all = [...everyFacts()].length;
    expect(keysOfStates(['lifecycle:registered'])).toEqual([]);
    expect(keysOfStates(stateNames('registry').map((name) => `registry:${name}` as const))).toHaveLength(all);
    expect(keysOfStates(['lifecycle:terminated'])).toHaveLength(all / 4);
    expect(keysOfStates(['lifecycle:terminated', 'registry:decommissioned'])).toHaveLength(all / 4);
  });
});
