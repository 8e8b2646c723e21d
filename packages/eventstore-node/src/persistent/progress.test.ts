import { expect, it } from 'vitest';
import { Progress } from './progress.ts';

it('stays before the first open event, whatever is done after it', () => {
  const progress = new Progress(4);
  for (const place of [5, 6, 9]) progress.begin(place);
  progress.settle(6);
  progress.settle(9);
  expect(progress.checkpoint).toEqual({ place: 4, sequence: 0 });
  progress.settle(5);
  expect(progress.checkpoint).toEqual({ place: 9, sequence: 3 });
});

it('moves past events that no client handles, up to the next open event', () => {
  const progress = new Progress(0);
  progress.passOver(10);
  progress.begin(20);
  progress.passOver(30);
  expect(progress.checkpoint).toEqual({ place: 10, sequence: 1 });
  progress.settle(20);
  expect(progress.checkpoint).toEqual({ place: 30, sequence: 3 });
});
