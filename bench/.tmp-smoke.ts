import { mkdtemp } from 'node:fs/promises';
import { commandIdOf } from '../src/domain/ids.ts';
import { spawnEventStoreNode } from '../src/embedded/eventstore-node/index.ts';
import { freePort } from '../src/embedded/ports.ts';
import { encodeEvents } from '../src/eventstore/codec.ts';
import { createEsdbEventStore } from '../src/eventstore/esdb-event-store.ts';
import { EMPTY_HEAD } from '../src/eventstore/provenance.ts';
import { systemClock } from '../src/platform/clock.ts';
import { createLogger } from '../src/platform/logger.ts';

const dataDir = await mkdtemp('/tmp/es/node-');
const node = await spawnEventStoreNode({ dataDir, port: await freePort('127.0.0.1'), host: '127.0.0.1' } as never);
const store = createEsdbEventStore(node.connectionString, { logger: createLogger('info'), clock: systemClock });
const at = '2026-01-01T00:00:00.000Z';
const mk = (i: number) => {
  const cmd = commandIdOf('default', 'x', `${Math.random()}`);
  return {
    stream: `task-default.${cmd}`,
    ev: encodeEvents(
      `task-default.${cmd}`,
      {
        tenant: 'default',
        commandId: cmd,
        correlationId: cmd,
        causationId: cmd,
        actor: 'user:1',
        at,
        fingerprint: 'f'.repeat(64),
      },
      [
        {
          type: 'TaskSubmitted',
          data: {
            taskId: cmd,
            pool: 'default',
            capability: 'echo',
            input: { text: 'hello world', n: 42, list: [1, 2, 3] },
            priority: 3,
            strategy: 'least_loaded',
            retry: { kind: 'exponential', maxAttempts: 3, baseMs: 1000, factor: 2, maxDelayMs: 60000, jitter: 0.2 },
            timeoutMs: 30000,
            tags: ['a'],
            submittedAt: at,
          },
        } as never,
      ],
      EMPTY_HEAD,
    ),
  };
};
const N = 20000;
const list = Array.from({ length: N }, (_, i) => mk(i));
await store.append(list[0]!.stream + 'x', list[0]!.ev, { expectedRevision: 'no_stream' });
for (const conc of [1, 64, 256]) {
  const n = conc === 1 ? 2000 : N;
  let i = 0;
  const cpu0 = process.cpuUsage();
  const t0 = performance.now();
  await Promise.all(
    Array.from({ length: conc }, async () => {
      for (;;) {
        const it = list[i++];
        if (!it || i > n) return;
        await store.append(`${it.stream}-${conc}`, it.ev, { expectedRevision: 'no_stream' });
      }
    }),
  );
  const ms = performance.now() - t0;
  const cpu = process.cpuUsage(cpu0);
  console.log(
    'conc',
    conc,
    ((n / ms) * 1000).toFixed(0),
    'appends/s',
    ((cpu.user + cpu.system) / n).toFixed(0),
    'µs CPU each',
  );
}
for (let round = 0; round < 3; round++) {
  const cpu0 = process.cpuUsage();
  const t0 = performance.now();
  let after: bigint | undefined;
  let count = 0;
  for (;;) {
    const page = await store.readAll({ ...(after === undefined ? {} : { after }), limit: 2000 });
    count += page.events.length;
    if (page.next === undefined) break;
    after = page.next;
  }
  const ms = performance.now() - t0;
  const cpu = process.cpuUsage(cpu0);
  console.log(
    'readAll',
    count,
    ((count / ms) * 1000).toFixed(0),
    '/s',
    ((cpu.user + cpu.system) / count).toFixed(1),
    'µs CPU each',
  );
}
{
  const cpu0 = process.cpuUsage();
  const t0 = performance.now();
  let count = 0;
  await new Promise<void>((resolve) => {
    const sub = store.subscribeAll(
      {
        onEvent() {
          count++;
        },
        onCaughtUp() {
          sub.stop();
          resolve();
        },
      },
      {},
    );
  });
  const ms = performance.now() - t0;
  const cpu = process.cpuUsage(cpu0);
  console.log(
    'subscribe',
    count,
    ((count / ms) * 1000).toFixed(0),
    '/s',
    ((cpu.user + cpu.system) / count).toFixed(1),
    'µs CPU each',
  );
}
console.log('head', await store.head());
await store.close();
await node.stop();
console.log('done');
