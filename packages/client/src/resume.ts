import { BatonError } from './error.ts';

export type ResumeOptions<Data> = {
  /** Position after which the first result is wanted. */
  readonly from: string;
  /** Position of a result: where to go on after it. */
  readonly positionOf: (data: Data) => string;
  /** How often in a row a connection may fail; 10 when absent. */
  readonly tries?: number;
  /** Wait before the next try, in milliseconds; 1,000 when absent. */
  readonly delayMs?: number;
  readonly signal?: AbortSignal;
};

/**
 * The results of a subscription, opened again after the last result whenever the connection breaks or the server stops. It ends when
 * `signal` aborts.
 *
 * @param open opens the subscription after a position
 */
export async function* resume<Data>(
  open: (fromPosition: string) => AsyncIterable<Data>,
  { from, positionOf, tries = 10, delayMs = 1_000, signal }: ResumeOptions<Data>,
): AsyncGenerator<Data, void, undefined> {
  let position = from;
  let failures = 0;
  const isStopped = (): boolean => signal?.aborted === true;
  while (!isStopped()) {
    try {
      for await (const data of open(position)) {
        failures = 0;
        position = positionOf(data);
        yield data;
        if (isStopped()) return;
      }
    } catch (error) {
      if (isStopped()) return;
      if (!(error instanceof BatonError && error.retryable) || failures >= tries) throw error;
    }
    failures += 1;
    if (!isStopped()) await new Promise((resolve) => setTimeout(resolve, delayMs));
  }
}
