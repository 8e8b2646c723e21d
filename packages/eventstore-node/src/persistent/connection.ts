import { type Call, toGrpcError } from '../grpc/call.ts';
import type { GrpcError } from '../grpc/status.ts';
import { OutputChunk } from '../reads/output.ts';
import type { Renderer } from '../reads/renderer.ts';
import type { EventStore } from '../store/event-store.ts';
import { groupEvent } from '../wire/persistent-response.ts';
import type { InFlight } from './group.ts';
import type { ConnectionInfo } from './info.ts';
import { Latencies } from './latencies.ts';
import type { Consumer } from './message.ts';
import { Throughput } from './throughput.ts';

export type ConnectionOptions = {
  readonly call: Call;
  readonly consumer: Consumer;
  /** Makes messages of the source's events. */
  readonly renderer: Renderer;
  /** The same for replayed ones, whose links are always resolved. */
  readonly replayRenderer: Renderer;
  readonly extraStatistics: boolean;
};

/** A client connected to a group: sends it what the group hands out, no faster than it takes it. */
export class GroupConnection {
  /** Why it cannot be served any more; set while messages are handed out, to be acted on after. */
  failure: GrpcError | undefined;
  readonly #throughput: Throughput;
  readonly #latencies: Latencies | undefined;
  #chunk = new OutputChunk();

  readonly #store: EventStore;
  readonly #options: ConnectionOptions;

  constructor(store: EventStore, options: ConnectionOptions, now: number) {
    this.#store = store;
    this.#options = options;
    this.#throughput = new Throughput(now);
    this.#latencies = options.extraStatistics ? new Latencies() : undefined;
  }

  get consumer(): Consumer {
    return this.#options.consumer;
  }

  /** Adds a message to those that leave with the next write. */
  send({ message, retries }: InFlight): void {
    try {
      const renderer = message.replayed ? this.#options.replayRenderer : this.#options.renderer;
      const record = this.#store.record(message.ordinal);
      const { event, link } = renderer.resolve(record);
      const parts = { position: record.position, retryCount: retries };
      this.#chunk.add(
        groupEvent({
          ...parts,
          ...(event && { event: renderer.recorded(event) }),
          ...(link && { link: renderer.recorded(link) }),
        }),
      );
    } catch (error) {
      this.failure = toGrpcError(error);
      this.consumer.accepting = false;
      return;
    }
    this.#throughput.count();
    if (this.#chunk.isFull) this.flush();
  }

  flush(): void {
    if (this.#chunk.isEmpty) return;
    const frames = this.#chunk.join();
    this.#chunk = new OutputChunk();
    if (!this.#options.call.write(frames)) this.consumer.accepting = false;
  }

  acked(ms: number): void {
    this.#latencies?.add(ms);
  }

  fail(error: GrpcError): void {
    this.#options.call.fail(error);
  }

  info(now: number): ConnectionInfo {
    const { call, consumer } = this.#options;
    return {
      from: call.peer,
      username: userName(call),
      name: String(call.headers['connection-name'] ?? '<unknown>'),
      throughput: this.#throughput.read(now),
      measurements: this.#latencies?.measurements() ?? [],
      availableSlots: Math.max(0, consumer.bufferSize - consumer.unacked.size),
      inFlight: consumer.unacked.size,
    };
  }
}

/** Who makes a call, as it is shown. */
export const userName = ({ caller }: Call): string => (typeof caller === 'string' ? caller : caller.name);
