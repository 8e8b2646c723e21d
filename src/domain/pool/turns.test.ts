import { expect, it } from 'vitest';
import { MAX_TURNS, Turns } from './turns.ts';

it('turns of a bounded number of requirements are remembered: those that were served last', () => {
  const turns = new Turns();
  for (let n = 0; n < MAX_TURNS; n += 1) turns.served(`r${n}`, 'a');
  turns.served('r0', 'b');
  turns.served('new', 'c');
  expect(turns.snapshot()).toHaveLength(MAX_TURNS);
  expect(['r0', 'r1', 'r2', 'new'].map((name) => turns.lastOf(name))).toEqual(['b', undefined, 'a', 'c']);
});

it('turns are forgotten in the same order after a snapshot', () => {
  const turns = new Turns();
  for (let n = 0; n < MAX_TURNS; n += 1) turns.served(`r${n}`, 'a');
  turns.served('r0', 'a');
  const restored = new Turns(JSON.parse(JSON.stringify(turns.snapshot())));
  for (const each of [turns, restored]) each.served('new', 'a');
  expect(restored.snapshot()).toEqual(turns.snapshot());
});
