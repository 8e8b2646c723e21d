import { EventEmitter } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fakeClock } from '../../test/support/fake-ports.ts';
import { EsdbAppender } from './esdb-appender.ts';
import type { AppendCall } from './esdb-connection.ts';
import type { Answer } from './esdb-wire.ts';

const SILENCE_MS = 3_000;

/** A server that answers when it is told to, in the order in which it was asked. */
class SlowServer extends EventEmitter {
  #asked = 0;
  #answered = 0;

  write(): boolean {
    this.#asked += 1;
    return true;
  }
  cancel(): void {}
  get waiting(): number {
    return this.#asked - this.#answered;
  }
  answer(): void {
    this.#answered += 1;
    const answer: Answer = { number: this.#answered, revision: 0n, position: 1n, message: Buffer.alloc(0) };
    this.emit('data', answer);
  }
}

const appending = async (count: number) => {
  const clock = fakeClock();
  const server = new SlowServer();
  const appender = new EsdbAppender(async () => server as unknown as AppendCall, clock, SILENCE_MS);
  const outcomes: string[] = [];
  for (let number = 0; number < count; number += 1)
    appender.append(`stream-${number}`, [], 'no_stream').then(
      () => outcomes.push('appended'),
      () => outcomes.push('given up'),
    );
  await nextTurn();
  return { clock, server, outcomes };
};

describe('an append that waits for its turn', () => {
  it('is not given up while the server answers those before it, however many they are', async () => {
    const { clock, server, outcomes } = await appending(20);
    while (server.waiting > 0) {
      clock.advance(SILENCE_MS - 500);
      server.answer();
      await nextTurn();
    }
    expect(outcomes).toEqual(Array.from({ length: 20 }, () => 'appended'));
  });

  it('is given up when the server falls silent', async () => {
    const { clock, server, outcomes } = await appending(3);
    clock.advance(SILENCE_MS - 500);
    server.answer();
    await nextTurn();
    clock.advance(SILENCE_MS - 1);
    await nextTurn();
    expect(outcomes).toEqual(['appended']);
    clock.advance(1);
    await nextTurn();
    expect(outcomes).toEqual(['appended', 'given up', 'given up']);
  });
});
