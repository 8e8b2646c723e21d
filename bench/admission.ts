import { performance } from 'node:perf_hooks';
import { setTimeout as sleep, setImmediate as yieldToOthers } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { pino } from 'pino';
import { AppError, type Baton, startBaton } from '#baton/baton.js';
import { PoolLedger } from '#baton/domain/pool/ledger.js';
import { readConfig } from '#baton/platform/config.js';
import { type Bench, type BenchStores, closedLoop, Figures, openLoop, percentile } from './harness.ts';
import { withBaton } from './with-baton.ts';

const WORK_MS = 100;
const SLOTS = 10;
/** A backlog of about 10 s: what is beyond is refused. */
const MAX_WAITING = 1_000;
const CAPACITY_TASKS = 1_500;
const LOAD_S = 60;
/** Until the backlog has come to its size. */
const FILL_MS = 15_000;
const CALM_S = 15;
const OVERLOADS = [2, 5] as const;
const WAITING = 50_000;
const SUBMITTED_AT_ONCE = 256;
const SLOW_AGENT = { agentId: 'slow', capabilities: [{ name: 'slow' }], maxConcurrency: SLOTS };
const TASK = { capability: 'slow', input: null };

type Ended = { readonly atMs: number; readonly ms: number };

/** Submits so many tasks per second and follows each to its end. */
class Load {
  readonly completed: Ended[] = [];
  refused = 0;
  readonly #baton: Baton;

  constructor(baton: Baton) {
    this.#baton = baton;
  }

  async run(perSecond: number, seconds: number): Promise<void> {
    await openLoop(perSecond, seconds, async (_, dueAt) => {
      try {
        await this.#baton.run(TASK);
        const atMs = performance.now();
        this.completed.push({ atMs, ms: atMs - dueAt });
      } catch (error) {
        if (!(error instanceof AppError && error.code === 'POOL_FULL')) throw error;
        this.refused += 1;
      }
    });
  }
}

const offerSlowAgent = (baton: Baton): Promise<void> =>
  baton.agent(SLOW_AGENT, async () => {
    await sleep(WORK_MS);
    return null;
  });

/** Completions per second while there is always work, and nobody is refused. */
const capacityOf = async (baton: Baton): Promise<number> => {
  const startedAt = performance.now();
  await closedLoop(CAPACITY_TASKS, 4 * SLOTS, async () => {
    await baton.run(TASK);
  });
  return Math.round((CAPACITY_TASKS * 1_000) / (performance.now() - startedAt));
};

const p99 = ({ completed }: Load): number =>
  percentile(
    completed.map(({ ms }) => ms),
    99,
  );

type Overload = { readonly capacity: number; readonly factor: number };

const measureOverload = async (baton: Baton, { capacity, factor }: Overload, figures: Figures): Promise<void> => {
  const calm = new Load(baton);
  await calm.run(0.5 * capacity, CALM_S);
  const load = new Load(baton);
  const startedAt = performance.now();
  const ended = load.run(factor * capacity, LOAD_S);
  await sleep(LOAD_S * 1_000);
  const inTime = load.completed.filter(({ atMs }) => atMs >= startedAt + FILL_MS).length;
  const goodput = (inTime * 1_000) / (LOAD_S * 1_000 - FILL_MS);
  // What waits is worked off at capacity, beside new tasks at half of it; the aim is the time for it alone, and 10 s.
  const after = new Load(baton);
  const recovering = after.run(0.5 * capacity, MAX_WAITING / capacity + 10);
  await Promise.all([ended, recovering]);
  const normal = new Load(baton);
  await normal.run(0.5 * capacity, CALM_S);
  const name = `overload${factor}`;
  figures.add(`${name}.goodputOverCapacity`, goodput / capacity, 'ratio');
  figures.add(`${name}.refused`, load.refused, 'tasks');
  figures.add(`${name}.p99BeforeMs`, p99(calm), 'ms');
  figures.add(`${name}.p99AfterMs`, p99(normal), 'ms');
};

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Memory of the ledger per task that waits, with nothing else beside it. */
const bytesPerWaitingTask = async (): Promise<number> => {
  const heap = async (): Promise<number> => {
    for (let turn = 0; turn < 3; turn += 1) {
      collectGarbage();
      await yieldToOthers();
    }
    return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
  };
  const before = await heap();
  const ledger = new PoolLedger('bench');
  for (let index = 0; index < WAITING; index += 1)
    ledger.evolve({
      type: 'TaskSubmitted',
      data: {
        taskId: `019f0000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`,
        pool: 'bench',
        capability: 'work',
        priority: 3,
        strategy: 'least_loaded',
        timeoutMs: 30_000,
        submittedAt: new Date(Date.UTC(2026, 0, 1) + index).toISOString(),
      } as never,
    });
  const bytes = ((await heap()) - before) / WAITING;
  if (ledger.openTasks !== WAITING) throw new Error(`${ledger.openTasks} tasks wait, expected ${WAITING}`);
  return bytes;
};

const fill = (baton: Baton): Promise<void> =>
  closedLoop(WAITING, SUBMITTED_AT_ONCE, async () => {
    await baton.submit({ capability: 'nobody', input: null });
  });

/** From the start of an assigner, connections included, until it has the lease, knows all that waits, and decides. */
const takeoverMs = async (baton: Baton): Promise<number> => {
  const { eventStoreUrl, databaseUrl, redisUrl } = baton.urls;
  let told: (atMs: number) => void = () => {};
  const leads = new Promise<number>((resolve) => {
    told = resolve;
  });
  const write = (line: string): void => {
    if (line.includes('leading the pool')) told(performance.now());
  };
  const startedAt = performance.now();
  const env = { EVENTSTORE_URL: eventStoreUrl, DATABASE_URL: databaseUrl, REDIS_URL: redisUrl };
  const logger = pino({ level: 'info' }, { write });
  const assigner = await startBaton(readConfig({ ...env, BATON_ROLES: 'assigner' }), { logger });
  try {
    return (await leads) - startedAt;
  } finally {
    await assigner.stop();
  }
};

const measureTakeover = (stores: BenchStores, figures: Figures): Promise<void> =>
  withBaton(
    stores,
    async (baton) => {
      await fill(baton);
      figures.add('takeover.withoutSnapshotMs', await takeoverMs(baton), 'ms');
      figures.add('takeover.ms', await takeoverMs(baton), 'ms');
    },
    { BATON_ROLES: 'api,projector,processes', BATON_MAX_WAITING: String(2 * WAITING) },
  );

export const admission: Bench = {
  question: 'How much is done while more is submitted than agents can do, and what does a task that waits cost?',
  async run({ runs, say, stores }) {
    const figures = new Figures();
    for (let run = 1; run <= runs; run += 1) {
      figures.add('bytesPerWaitingTask', await bytesPerWaitingTask(), 'bytes');
      say(`run ${run} of ${runs}: ${WAITING} tasks wait`);
      await measureTakeover(stores, figures);
      await withBaton(
        stores,
        async (baton) => {
          await offerSlowAgent(baton);
          const capacity = await capacityOf(baton);
          figures.add('capacityPerS', capacity, 'tasks/s');
          for (const factor of OVERLOADS) {
            say(`run ${run} of ${runs}: ${factor} times the capacity`);
            await measureOverload(baton, { capacity, factor }, figures);
          }
        },
        { BATON_MAX_WAITING: String(MAX_WAITING) },
      );
    }
    return { runs, figures: figures.spreads(), ratios: {} };
  },
};
