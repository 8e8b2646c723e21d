import { expect, it } from 'vitest';
import { Closing } from './closing.ts';
import type { Logger } from './logger.ts';

const recording = () => {
  const warnings: string[] = [];
  return { warnings, logger: { warn: (_: unknown, message: string) => warnings.push(message) } as unknown as Logger };
};

it('closes things in reverse order and waits for each', async () => {
  const closing = new Closing();
  const closed: string[] = [];
  closing.add('first', async () => {
    await Promise.resolve();
    closed.push('first');
  });
  closing.add('second', async () => {
    await Promise.resolve();
    closed.push('second');
  });
  await closing.run(recording().logger);
  expect(closed).toEqual(['second', 'first']);
});

it('closes everything even if one step fails, and logs which', async () => {
  const { warnings, logger } = recording();
  const closing = new Closing();
  const closed: string[] = [];
  closing.add('the store', () => closed.push('store'));
  closing.add('the queue', () => Promise.reject(new Error('gone')));
  await closing.run(logger);
  expect(closed).toEqual(['store']);
  expect(warnings).toEqual(['the queue did not close cleanly']);
});

it('runs each step once, however often it is asked', async () => {
  const closing = new Closing();
  let closed = 0;
  closing.add('it', () => {
    closed += 1;
  });
  await Promise.all([closing.run(recording().logger), closing.run(recording().logger)]);
  await closing.run(recording().logger);
  expect(closed).toBe(1);
});
