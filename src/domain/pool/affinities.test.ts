import { expect, it } from 'vitest';
import { Affinities, MAX_AFFINITIES } from './affinities.ts';

it('the keys that were used last are remembered, also after a snapshot', () => {
  const affinities = new Affinities();
  for (let n = 0; n < MAX_AFFINITIES; n += 1) affinities.bind(`k${n}`, 'a');
  affinities.bind('k0', 'b');
  const restored = new Affinities(JSON.parse(JSON.stringify(affinities.snapshot())));
  for (const each of [affinities, restored]) {
    each.bind('new', 'c');
    expect(each.snapshot()).toHaveLength(MAX_AFFINITIES);
    expect(['k0', 'k1', 'k2', 'new'].map((key) => each.agentOf(key))).toEqual(['b', undefined, 'a', 'c']);
  }
});
