import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RoutedFleet } from '../../../test/support/routing/routed-fleet.ts';
import { STRATEGY_NAMES } from '../routing/strategies.ts';

/** What `npm run campaign -- routing` has more of. */
const FLEETS = Number(process.env['ROUTING_FLEETS'] ?? 6);
const AGENTS = Number(process.env['ROUTING_AGENTS'] ?? 25);
const STEPS = Number(process.env['ROUTING_STEPS'] ?? 100);

describe.each(STRATEGY_NAMES)('%s over the indexes', (strategy) => {
  it('leaves out the same agents and makes the same choice as by looking at every agent, whatever happened before', () =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), fc.integer({ min: 1, max: AGENTS }), (seed, agents) => {
        new RoutedFleet({ seed, agents, strategy }).run(STEPS);
      }),
      { numRuns: FLEETS },
    ));

  it('decides often enough for this to mean something, and not only among equals', () => {
    const fleet = new RoutedFleet({ seed: 7, agents: 20, strategy });
    fleet.run(400);
    expect(fleet.decisions).toBeGreaterThan(80);
    expect(fleet.chosen.size).toBeGreaterThan(4);
    expect([...fleet.exclusions].sort()).toEqual(
      [
        'breaker',
        'capability',
        'degraded',
        'draining',
        'failed_before',
        'maintenance',
        'no_slot',
        'paused',
        'standby',
        'unhealthy',
        'version',
        'warming',
      ].sort(),
    );
    expect([...fleet.reasons]).toEqual(expect.arrayContaining(['agents_busy', 'next_in_turn']));
    expect([...fleet.breakers]).toEqual(expect.arrayContaining(['half_open', 'open']));
  });
});
