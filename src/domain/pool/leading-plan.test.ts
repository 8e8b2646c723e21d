import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PoolServer, planLeaders } from './leading-plan.ts';

const any = (id: string): PoolServer => ({ id, only: undefined });
const only = (id: string, ...pools: string[]): PoolServer => ({ id, only: pools });

const ledBy = (plan: ReadonlyMap<string, string>): Record<string, string[]> => {
  const led: Record<string, string[]> = {};
  for (const [pool, id] of [...plan].sort()) led[id] = [...(led[id] ?? []), pool];
  return led;
};

describe('the plan of who leads which pool', () => {
  it('gives a new pool to the process that leads the fewest', () => {
    const leaders = new Map([
      ['a', 'one'],
      ['b', 'one'],
      ['c', 'two'],
    ]);
    expect(planLeaders(['a', 'b', 'c', 'new'], [any('one'), any('two')], leaders).get('new')).toBe('two');
  });

  it('moves pools to a process that has come, and no more than its share', () => {
    const leaders = new Map(['a', 'b', 'c', 'd', 'e'].map((pool) => [pool, 'one']));
    const led = ledBy(planLeaders([...leaders.keys()], [any('one'), any('two')], leaders));
    expect(led['one']).toHaveLength(3);
    expect(led['two']).toHaveLength(2);
  });

  it('moves nothing where all lead their share', () => {
    const leaders = new Map([
      ['a', 'two'],
      ['b', 'one'],
      ['c', 'two'],
    ]);
    expect(planLeaders(['a', 'b', 'c'], [any('one'), any('two')], leaders)).toEqual(leaders);
  });

  it('moves nothing to an idle process that could take less than a share', () => {
    const leaders = new Map([
      ['a', 'one'],
      ['b', 'two'],
    ]);
    expect(planLeaders(['a', 'b'], [any('idle'), any('one'), any('two')], leaders)).toEqual(leaders);
  });

  it('gives a pool only to processes that may lead it, and those that may choose something else', () => {
    const leaders = new Map(['w', 'x', 'y', 'z'].map((pool) => [pool, 'any']));
    const plan = planLeaders(['w', 'x', 'y', 'z'], [any('any'), only('narrow', 'x')], leaders);
    expect(ledBy(plan)).toEqual({ any: ['w', 'y', 'z'], narrow: ['x'] });
  });

  it('leaves out a pool that no process may lead', () => {
    expect(planLeaders(['a', 'b'], [only('one', 'a')], new Map())).toEqual(new Map([['a', 'one']]));
    expect(planLeaders(['a'], [], new Map())).toEqual(new Map());
  });

  it('takes over from a process that is gone', () => {
    expect(planLeaders(['a'], [any('two')], new Map([['a', 'one']]))).toEqual(new Map([['a', 'two']]));
  });

  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const worlds = fc.record({
    pools: fc.subarray(names),
    servers: fc.uniqueArray(
      fc.record({
        id: fc.constantFrom('1', '2', '3', '4'),
        only: fc.option(fc.subarray(names), { nil: undefined }),
      }),
      { selector: ({ id }) => id },
    ),
    leaders: fc.array(fc.tuple(fc.constantFrom(...names), fc.constantFrom('1', '2', '3', '4', 'gone'))),
  });

  it('settles: carried out a few times, it asks for nothing more', () => {
    fc.assert(
      fc.property(worlds, ({ pools, servers, leaders }) => {
        let led = new Map<string, string>(leaders);
        for (let round = 0; round < names.length; round += 1) led = planLeaders(pools, servers, led);
        expect(planLeaders(pools, servers, led)).toEqual(led);
      }),
      { numRuns: 40 },
    );
  });

  it('spreads pools evenly over processes that may lead any', () => {
    fc.assert(
      fc.property(worlds, ({ pools, servers, leaders }) => {
        fc.pre(servers.length > 0);
        const plan = planLeaders(
          pools,
          servers.map(({ id }) => any(id)),
          new Map(leaders),
        );
        expect(plan.size).toBe(pools.length);
        const most = Math.max(0, ...Object.values(ledBy(plan)).map((led) => led.length));
        expect(most).toBeLessThanOrEqual(Math.ceil(pools.length / servers.length));
      }),
      { numRuns: 40 },
    );
  });
});
