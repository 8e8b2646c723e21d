import { expect, it } from 'vitest';
import { unavailable } from '../platform/errors.ts';
import { countAppends } from './counted-event-store.ts';
import type { EventStore } from './event-store.ts';

it('knows why appends fail, until one succeeds or nobody has tried for a while', async () => {
  let [now, full] = [0, true];
  const refusing = {
    append: async () => {
      if (full) throw unavailable('the disk is full');
      return { position: 1n };
    },
  } as unknown as EventStore;
  const { store, trouble } = countAppends(refusing, { monotonic: () => now });
  const append = () => store.append('task-a.b', [], { expectedRevision: 'no_stream' });
  expect(trouble()).toBe(undefined);
  await expect(append()).rejects.toThrow('full');
  expect(trouble()).toBe('the disk is full');
  now = 30_000;
  expect(trouble()).toBe(undefined);
  await expect(append()).rejects.toThrow('full');
  full = false;
  await append();
  expect(trouble()).toBe(undefined);
});
