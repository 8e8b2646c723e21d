import { mkdtemp, open as openFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { type SpawnedNode, type SpawnOptions, spawnEventStoreNode } from 'baton-eventstore-node';
import { type Bench, closedLoop, Figures, median, round } from '../../../bench/harness.ts';
import { cpuUs, rssMb } from '../../../bench/processes.ts';
import { type RawLoad, rawLoad } from './raw-load.ts';

const EVENT_BYTES = 500;
const STREAMS = 50_000;
const READ_EVENTS = 500_000;
const RESTART_EVENTS = 1_000_000;
const BATCHES_IN_FLIGHT = 16;
const RAW_BATCH = 100;
const LIVE_EVENTS = 500;
const FLUSH_BYTES = 800;
const RESTARTS = 5;

const DATA = { text: 'x'.repeat(EVENT_BYTES - '{"text":""}'.length) };
const DATA_BYTES = Buffer.from(JSON.stringify(DATA));

/** A node with 500,000 events in it, and the two ways to talk to it. */
type Side = { readonly node: SpawnedNode; readonly client: EventStoreDBClient; readonly raw: RawLoad };

const fill = (raw: RawLoad, total: number): Promise<void> =>
  raw.append({ total, perAppend: RAW_BATCH, inFlight: 32, streamCount: STREAMS, data: DATA_BYTES });

const open = async (options: SpawnOptions): Promise<Side> => {
  const node = await spawnEventStoreNode(options);
  const raw = await rawLoad(node.port);
  await fill(raw, READ_EVENTS);
  return { node, client: EventStoreDBClient.connectionString(node.connectionString), raw };
};

const close = async ({ node, client, raw }: Side): Promise<void> => {
  raw.close();
  await client.dispose();
  await node.stop();
};

/** What the disk takes for a group as one append makes it: the floor under the latency of an append alone. */
const flushes = async (folder: string, count: number): Promise<number[]> => {
  const file = await openFile(join(folder, 'flush'), 'w');
  await file.writeFile(Buffer.alloc(FLUSH_BYTES * count));
  await file.datasync();
  const samples: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const startAt = performance.now();
    await file.write(Buffer.alloc(FLUSH_BYTES, 1), 0, FLUSH_BYTES, index * FLUSH_BYTES);
    await file.datasync();
    samples.push(performance.now() - startAt);
  }
  await file.close();
  return samples;
};

type Timed = { readonly perS: number; readonly nodeCpuUs: number };

/** Events per second, and what the node's process used for each. */
const timed = async ({ node }: Side, events: number, work: () => Promise<unknown>): Promise<Timed> => {
  const cpuBefore = cpuUs(node.pid);
  const startAt = performance.now();
  await work();
  const ms = performance.now() - startAt;
  return { perS: (events / ms) * 1_000, nodeCpuUs: (cpuUs(node.pid) - cpuBefore) / events };
};

const appends = (side: Side, inFlight: number, perAppend: number, total: number): Promise<Timed> =>
  timed(side, total, () =>
    closedLoop(total / perAppend, inFlight, async (index) => {
      const events = Array.from({ length: perAppend }, () => jsonEvent({ type: 'Measured', data: DATA }));
      await side.client.appendToStream(`append-${index % STREAMS}`, events);
    }),
  );

const latencies = async ({ client }: Side, count: number): Promise<number[]> => {
  const samples: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const startAt = performance.now();
    await client.appendToStream(`alone-${index}`, jsonEvent({ type: 'Measured', data: DATA }));
    samples.push(performance.now() - startAt);
  }
  return samples;
};

/** From the call of append to the event at a subscriber of $all in the same process. */
const liveLatencies = async ({ client }: Side): Promise<number[]> => {
  const samples: number[] = [];
  const subscription = client.subscribeToAll({ fromPosition: 'end' });
  await new Promise((resolve) => subscription.once('confirmation', resolve));
  let startAt = 0;
  let arrived = (): void => {};
  subscription.on('data', () => {
    samples.push(performance.now() - startAt);
    arrived();
  });
  for (let index = 0; index < LIVE_EVENTS; index += 1) {
    const arrival = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    startAt = performance.now();
    await Promise.all([client.appendToStream(`live-${index}`, jsonEvent({ type: 'Measured', data: DATA })), arrival]);
  }
  await subscription.unsubscribe();
  return samples;
};

const readAll = (side: Side): Promise<Timed> =>
  timed(side, READ_EVENTS, async () => {
    for await (const _ of side.client.readAll({ maxCount: READ_EVENTS })) {
      // only how fast they come is of interest
    }
  });

const catchUp = (side: Side): Promise<Timed> =>
  timed(side, READ_EVENTS, async () => {
    let seen = 0;
    for await (const _ of side.client.subscribeToAll()) {
      seen += 1;
      if (seen === READ_EVENTS) return;
    }
  });

const rawAppends = (side: Side, inFlight: number, perAppend: number, total: number): Promise<Timed> =>
  timed(side, total, () => side.raw.append({ total, perAppend, inFlight, streamCount: STREAMS, data: DATA_BYTES }));

const rawReadAll = (side: Side): Promise<Timed> => timed(side, READ_EVENTS, () => side.raw.readAll(READ_EVENTS));

/** What is compared with the node that does nothing durable. */
const COMPARED = {
  append64: (side: Side) => appends(side, 64, 1, 30_000),
  batch100: (side: Side) => appends(side, BATCHES_IN_FLIGHT, 100, 60_000),
  readAll,
} as const;

type Compared = keyof typeof COMPARED;

/** One after the other, the first in turns, so that a machine that gets slower wrongs neither. */
const compare = async (name: Compared, run: number, durable: Side, nothing: Side): Promise<[Timed, Timed]> => {
  const measure = COMPARED[name];
  if (run % 2 === 0) {
    const first = await measure(durable);
    return [first, await measure(nothing)];
  }
  const other = await measure(nothing);
  return [await measure(durable), other];
};

const measureOnce = async (run: number, durable: Side, nothing: Side, figures: Figures, ratios: Ratios) => {
  figures.addPercentiles('append1.ms', await latencies(durable, 1_000));
  figures.addPercentiles('doNothing.append1.ms', await latencies(nothing, 1_000));
  for (const name of Object.keys(COMPARED) as Compared[]) {
    const [own, other] = await compare(name, run, durable, nothing);
    figures.add(`${name}.eventsPerS`, own.perS, 'events/s');
    figures.add(`doNothing.${name}.eventsPerS`, other.perS, 'events/s');
    ratios.add(`${name}OverDoNothing`, own.perS / other.perS);
    if (name === 'append64') figures.add('nodeCpuUsPerAppend', own.nodeCpuUs, 'µs');
    if (name === 'readAll') figures.add('nodeCpuUsPerEventRead', own.nodeCpuUs, 'µs');
  }
  figures.add('append256.eventsPerS', (await appends(durable, 256, 1, 15_000)).perS, 'events/s');
  figures.add('batch10.eventsPerS', (await appends(durable, BATCHES_IN_FLIGHT, 10, 40_000)).perS, 'events/s');
  figures.add('catchUp.eventsPerS', (await catchUp(durable)).perS, 'events/s');
  figures.addPercentiles('live.ms', await liveLatencies(durable));
  await measureRaw(durable, figures);
};

const measureRaw = async (side: Side, figures: Figures): Promise<void> => {
  const single = await rawAppends(side, 64, 1, 60_000);
  figures.add('raw.append64.eventsPerS', single.perS, 'events/s');
  figures.add('raw.append64.nodeCpuUs', single.nodeCpuUs, 'µs');
  const batch = await rawAppends(side, BATCHES_IN_FLIGHT, RAW_BATCH, 200_000);
  figures.add('raw.batch100.eventsPerS', batch.perS, 'events/s');
  const read = await rawReadAll(side);
  figures.add('raw.readAll.eventsPerS', read.perS, 'events/s');
  figures.add('raw.readAll.nodeCpuUs', read.nodeCpuUs, 'µs');
};

class Ratios {
  readonly #values = new Map<string, number[]>();

  add(name: string, value: number): void {
    this.#values.set(name, [...(this.#values.get(name) ?? []), value]);
  }

  medians(): Record<string, number> {
    return Object.fromEntries([...this.#values].map(([name, values]) => [name, round(median(values))]));
  }
}

const startTimed = async (dataDir: string): Promise<{ node: SpawnedNode; ms: number }> => {
  const startAt = performance.now();
  const node = await spawnEventStoreNode({ dataDir });
  return { node, ms: performance.now() - startAt };
};

const kill = async (node: SpawnedNode): Promise<void> => {
  process.kill(node.pid, 'SIGKILL');
  await node.exited;
};

/** From the start of the process to its being ready, after a kill in the middle of work and after a clean stop. */
const measureRestarts = async (dataDir: string, runs: number, figures: Figures): Promise<void> => {
  const first = await spawnEventStoreNode({ dataDir });
  const raw = await rawLoad(first.port);
  await fill(raw, RESTART_EVENTS);
  raw.close();
  await kill(first);
  for (let run = 0; run < runs; run += 1) {
    const { node, ms } = await startTimed(dataDir);
    figures.add('restartAfterKillMs', ms, 'ms');
    await kill(node);
  }
  await (await startTimed(dataDir)).node.stop();
  for (let run = 0; run < runs; run += 1) {
    const { node, ms } = await startTimed(dataDir);
    figures.add('restartMs', ms, 'ms');
    figures.add('rssMb', rssMb(node.pid), 'MiB');
    await node.stop();
  }
};

export const eventstore: Bench = {
  question: 'What does the event store node carry, and how far is it from a node that keeps nothing?',
  async run({ runs, say }) {
    const figures = new Figures();
    const ratios = new Ratios();
    const folder = await mkdtemp(join(tmpdir(), 'bench-eventstore-'));
    try {
      say(`loading ${READ_EVENTS} events twice`);
      const durable = await open({ dataDir: join(folder, 'durable') });
      const nothing = await open({ inMemory: true });
      for (let run = 0; run < runs; run += 1) {
        say(`run ${run + 1} of ${runs}`);
        figures.addPercentiles('flush.ms', await flushes(folder, 500));
        await measureOnce(run, durable, nothing, figures, ratios);
      }
      await Promise.all([close(durable), close(nothing)]);
      say(`restarts with ${RESTART_EVENTS} events`);
      await measureRestarts(join(folder, 'restart'), Math.max(runs, RESTARTS), figures);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    return { runs, figures: figures.spreads(), ratios: ratios.medians() };
  },
};
