import { convertToCommandError } from '@eventstore/db-client';
import type { Clock } from '../platform/clock.ts';
import type { ReadCall } from './esdb-connection.ts';
import { Checkpoint, type ReadMessage } from './esdb-wire.ts';
import type { StoredEvent } from './event-store.ts';

/**
 * Passes every event of a read to `take`, in order, until the server ends the read.
 *
 * Errors: rejects with the client's error, or a plain one when nothing arrived for `silenceMs`; the client itself would wait forever.
 */
export const readToEnd = (
  opening: Promise<ReadCall>,
  { clock, silenceMs }: { readonly clock: Clock; readonly silenceMs: number },
  take: (event: StoredEvent) => void,
): Promise<void> =>
  new Promise((resolve, reject) => {
    let call: ReadCall | undefined;
    let settled = false;
    let silent = true;
    let cancelWatch = (): void => {};

    const settle = (finish: () => void): void => {
      settled = true;
      cancelWatch();
      call?.cancel();
      finish();
    };
    const fail = (error: unknown): void => settle(() => reject(error));
    const watch = (): void => {
      silent = true;
      cancelWatch = clock.schedule(silenceMs, () =>
        silent ? fail(new Error(`the event store sent nothing for ${silenceMs} ms`)) : watch(),
      );
    };

    watch();
    opening.then((opened) => {
      call = opened;
      opened.on('error', (error: Error) => fail(convertToCommandError(error)));
      opened.on('end', () => settle(resolve));
      opened.on('data', (message: ReadMessage) => {
        silent = false;
        if (!settled && typeof message === 'object' && !(message instanceof Checkpoint)) take(message);
      });
      if (settled) opened.cancel();
    }, fail);
  });
