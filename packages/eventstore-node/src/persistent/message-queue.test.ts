import { expect, it } from 'vitest';
import { MessageQueue } from './message-queue.ts';

const held = (place: number) => ({
  message: { id: `e${place}`, place, ordinal: place, bucket: 0, replayed: false },
  retries: 0,
});

const drained = (queue: MessageQueue) => {
  const places: number[] = [];
  queue.offer(({ message }) => {
    places.push(message.place);
    return 'taken';
  });
  return places;
};

it('keeps messages in log order, whatever the order in which they arrive', () => {
  const queue = new MessageQueue();
  for (const place of [3, 1, 2, 5, 4]) queue.add(held(place));
  expect(drained(queue)).toEqual([1, 2, 3, 4, 5]);
  expect(queue.length).toBe(0);
});

it('keeps the messages that were left over, and those after the point where it was stopped', () => {
  const queue = new MessageQueue();
  for (const place of [1, 2, 3, 4, 5]) queue.add(held(place));
  queue.offer(({ message }) => (message.place === 4 ? 'stop' : message.place === 2 ? 'left' : 'taken'));
  expect(drained(queue)).toEqual([2, 4, 5]);
});

it('takes back the alternating messages of two clients without comparing each with all', () => {
  const queue = new MessageQueue();
  const count = 100_000;
  for (let place = 0; place < count; place += 2) queue.add(held(place));
  for (let place = 1; place < count; place += 2) queue.add(held(place));
  expect(drained(queue)).toEqual(Array.from({ length: count }, (_, place) => place));
}, 2_000);
