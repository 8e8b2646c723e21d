import { randomUUID } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { spawnEventStoreNode } from '../src/embedded/eventstore-node/index.ts';
import { freePort } from '../src/embedded/ports.ts';
import { createEsdbEventStore } from '../src/eventstore/esdb-event-store.ts';
import { systemClock } from '../src/platform/clock.ts';
import { createLogger } from '../src/platform/logger.ts';

let unhandled = 0;
process.on('unhandledRejection', (e) => {
  unhandled++;
  if (unhandled < 3) console.log('UNHANDLED', String(e));
});
const dataDir = await mkdtemp('/tmp/es/node-');
const port = await freePort('127.0.0.1');
let node = await spawnEventStoreNode({ dataDir, port, host: '127.0.0.1' } as never);
const store = createEsdbEventStore(node.connectionString, { logger: createLogger('info'), clock: systemClock });
let ok = 0,
  bad = 0,
  stop = false,
  maxMs = 0;
const worker = async (w: number) => {
  let rev: bigint | 'no_stream' = 'no_stream';
  const prev = 0;
  while (!stop) {
    const t = performance.now();
    try {
      const r = await store.append(
        `w-${w}`,
        [{ id: randomUUID(), type: 'T', data: { w, x: 'y'.repeat(100000) }, metadata: {} as never }],
        { expectedRevision: rev },
      );
      rev = r.revision;
      ok++;
      maxMs = Math.max(maxMs, performance.now() - t);
    } catch (e) {
      bad++;
      console.log(String(e));
      return;
    }
  }
};
const ws = Array.from({ length: 256 }, (_, i) => worker(i));
for (let r = 0; r < 3; r++) {
  await new Promise((r) => setTimeout(r, 1500));
  console.log('ok', ok, 'kill');
  process.kill(node.pid, 'SIGSTOP');
  await new Promise((r) => setTimeout(r, 1000));
  process.kill(node.pid, 'SIGKILL');
  await new Promise((r) => setTimeout(r, 300));
  node = await spawnEventStoreNode({ dataDir, port, host: '127.0.0.1' } as never);
}
await new Promise((r) => setTimeout(r, 1500));
stop = true;
await Promise.all(ws);
let total = 0;
for (let i = 0; i < 256; i++) total += (await store.readStream(`w-${i}`)).length;
console.log({ ok, bad, total, unhandled, maxMs });
await store.close();
await node.stop();
