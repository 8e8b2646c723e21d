import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep, setImmediate as yieldToOthers } from 'node:timers/promises';
import { PoolLedger } from '#baton/domain/pool/ledger.js';
import { SNAPSHOT_VERSION } from '#baton/domain/pool/ledger-snapshot.js';
import { createLogger } from '#baton/platform/logger.js';
import { createPool } from '#baton/platform/postgres.js';
import { postgresSnapshots } from '#baton/processes/fold-snapshots.js';
import { ParkedStreams } from '#baton/processes/parked-streams.js';
import { SnapshotWriter } from '#baton/processes/snapshot-writer.js';
import { type Bench, Figures, percentile } from './harness.ts';
import { rssMb } from './processes.ts';
import { withBaton } from './with-baton.ts';

const TASKS = 1_000_000;
const AGENT_SLOTS = 1_000;
const ASSIGN_EVERY_MS = 12;
const ASSIGNED_AT_ONCE = 5;
const SETTLE_MS = 500;
const FOLD = { name: 'pool:bench', version: SNAPSHOT_VERSION };
const START_MS = Date.UTC(2026, 0, 1);
const iso = (ms: number): string => new Date(ms).toISOString();

const submit = (ledger: PoolLedger, index: number): void =>
  ledger.evolve({
    type: 'TaskSubmitted',
    data: {
      taskId: `019f0000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`,
      pool: 'bench',
      capability: 'work',
      priority: 2,
      strategy: 'least_loaded',
      timeoutMs: 30_000,
      submittedAt: iso(START_MS + index),
      deadlineAt: iso(START_MS + 1e9 + index),
    } as never,
  });

const registerAgent = (ledger: PoolLedger, agentId: string): void =>
  ledger.evolve({
    type: 'AgentRegistered',
    data: {
      agentId,
      pool: 'bench',
      capabilities: [{ name: 'work', version: '1.0.0' }],
      maxConcurrency: AGENT_SLOTS,
      transport: { kind: 'local' },
      registeredAt: iso(START_MS),
    } as never,
  });

const filled = async (): Promise<PoolLedger> => {
  const ledger = new PoolLedger('bench');
  for (let agent = 0; agent < 10; agent += 1) registerAgent(ledger, `agent-${agent}`);
  for (let index = 0; index < TASKS; index += 1) {
    submit(ledger, index);
    if (index % 1_000 === 0) await yieldToOthers();
  }
  while (ledger.wake(START_MS + TASKS, 1_000) === 1_000) await yieldToOthers();
  return ledger;
};

/** Work in slices as an assigner does it, while something else is under way. */
const assigning = async (ledger: PoolLedger, until: Promise<unknown>): Promise<number> => {
  let isOver = false;
  let assigned = 0;
  void until.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    assigned += ledger.assign(START_MS + TASKS, ASSIGNED_AT_ONCE).length;
    await sleep(ASSIGN_EVERY_MS);
  }
  return assigned;
};

/** Processor time of the thread that runs JavaScript, in milliseconds. */
const threadMs = (): number =>
  Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;

/** Its processor time between two turns of the event loop: for that long nothing else could run, whatever else the machine is busy with. */
const watchTurns = () => {
  const heldMs: number[] = [];
  let last = threadMs();
  let isOver = false;
  const turn = (): void => {
    const now = threadMs();
    heldMs.push(now - last);
    last = now;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  return async (): Promise<number[]> => {
    await yieldToOthers();
    isOver = true;
    return heldMs.filter((ms) => ms >= 1);
  };
};

const measured = async (figures: Figures, key: string, work: () => Promise<unknown>): Promise<void> => {
  await sleep(SETTLE_MS);
  const before = rssMb(process.pid);
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, rssMb(process.pid));
  }, 50);
  const stop = watchTurns();
  const startedAt = performance.now();
  await work();
  figures.add(`${key}.ms`, performance.now() - startedAt, 'ms');
  const heldMs = await stop();
  clearInterval(watch);
  figures.add(`${key}.heldMs.p99`, percentile(heldMs, 99), 'ms');
  figures.add(`${key}.heldMs.max`, Math.max(...heldMs), 'ms');
  figures.add(`${key}.rssMb`, Math.max(peak, rssMb(process.pid)) - before, 'MiB');
};

type Store = ReturnType<typeof postgresSnapshots>;

const loaded = async (snapshots: Store): Promise<PoolLedger> => {
  const snapshot = await snapshots.load<ReturnType<PoolLedger['snapshot']>>('bench', FOLD);
  const ledger = new PoolLedger('bench', snapshot?.state);
  for await (const part of snapshot?.parts ?? []) ledger.restorePart(part as never);
  return ledger;
};

const measureRun = async (figures: Figures, snapshots: Store): Promise<void> => {
  const ledger = await filled();
  const parked = new ParkedStreams();
  const writer = new SnapshotWriter({
    tenant: 'bench',
    snapshots,
    definition: FOLD,
    fold: ledger,
    parked,
    position: undefined,
    token: undefined,
    logger: createLogger('error'),
  });
  const writing = async (position: bigint): Promise<void> => {
    const written = writer.write(position);
    const startedAt = performance.now();
    const assigned = await assigning(ledger, written);
    figures.add('assignedPerS', (assigned * 1_000) / (performance.now() - startedAt), 'tasks/s');
  };
  await measured(figures, 'full', () => writing(1n));
  for (let index = 0; index < 1_000; index += 1) submit(ledger, TASKS + index);
  await measured(figures, 'changes', () => writing(2n));
  await measured(figures, 'restored', async () => {
    const restored = await loaded(snapshots);
    if (restored.openTasks !== ledger.openTasks) throw new Error(`restored ${restored.openTasks} tasks`);
  });
  await measured(figures, 'inOnePiece', async () => {
    const copied = ledger.takeParts('all').flatMap(({ items }) => items.map((task) => ({ ...task })));
    figures.add('megabytes', JSON.stringify({ ...ledger.snapshot(), tasks: copied }).length / 1e6, 'MB');
  });
};

export const snapshots: Bench = {
  question: `For how long does a snapshot of ${TASKS} waiting tasks keep a pool from deciding?`,
  async run({ runs, say, stores }) {
    const figures = new Figures();
    await withBaton(stores, async (baton) => {
      const database = createPool(baton.urls.databaseUrl as string, 2, createLogger('error'));
      try {
        for (let run = 1; run <= runs; run += 1) {
          say(`run ${run} of ${runs}`);
          await measureRun(figures, postgresSnapshots(database));
        }
      } finally {
        await database.end();
      }
    });
    return { runs, figures: figures.spreads(), ratios: {} };
  },
};
