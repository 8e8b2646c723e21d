import { expect, it } from 'vitest';
import { MAX_TURNS, Turns } from './turns.ts';

it('turns of a bounded number of requirements are remembered: those that were served last', () => {
  const turns = new Turns();
  for (let n = 0; n < MAX_TURNS; n += 1) turns.count(`r${n}`);
  turns.count('r0');
  turns.count('new');
  expect(turns.snapshot()).toHaveLength(MAX_TURNS);
  expect([turns.of('r0'), turns.of('r1'), turns.of('r2'), turns.of('new')]).toEqual([2, 0, 1, 1]);
});

it('turns are forgotten in the same order after a snapshot', () => {
  const turns = new Turns();
  for (let n = 0; n < MAX_TURNS; n += 1) turns.count(`r${n}`);
  turns.count('r0');
  const restored = new Turns(JSON.parse(JSON.stringify(turns.snapshot())));
  for (const each of [turns, restored]) each.count('new');
  expect(restored.snapshot()).toEqual(turns.snapshot());
});
