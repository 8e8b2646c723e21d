import { type Call, toGrpcError } from '../grpc/call.ts';
import { type MessageSource, OutputChunk } from './output.ts';

/**
 * Moves a source's messages to a call, one chunk at a time, and no faster than the client takes them: what waits is in
 * the log, not in memory. Between chunks other calls get their turn.
 */
export class Pump {
  #blocked = false;
  #scheduled = false;
  readonly #call: Call;
  readonly #source: MessageSource;

  constructor(call: Call, source: MessageSource) {
    this.#call = call;
    this.#source = source;

    call.onDrain = () => {
      this.#blocked = false;
      this.wake();
    };
  }

  readonly wake = (): void => {
    if (this.#scheduled || this.#call.ended) return;
    if (this.#blocked) this.#wait();
    else this.#run();
  };

  #wait(): void {
    try {
      this.#source.waiting?.();
    } catch (error) {
      this.#call.fail(toGrpcError(error));
    }
  }

  #run(): void {
    const chunk = new OutputChunk();
    let next: ReturnType<MessageSource['fill']> = 'done';
    let failure: unknown;
    try {
      next = this.#source.fill(chunk);
    } catch (error) {
      failure = error ?? new Error('unknown');
    }
    if (!chunk.isEmpty) this.#blocked = !this.#call.write(chunk.join());
    if (failure) this.#call.fail(toGrpcError(failure));
    else if (next === 'done') this.#call.end();
    else if (next === 'more' && !this.#blocked) this.#schedule();
  }

  #schedule(): void {
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.wake();
    });
  }
}
