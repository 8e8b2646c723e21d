import type { Baton } from '#baton/baton.js';
import { type Bench, closedLoop, Figures, median, round } from './harness.ts';
import { NOOP_AGENT } from './noop-agent.ts';
import { cpuUs, sumOver, treeOf } from './processes.ts';
import { oneTask } from './tasks.ts';
import { withBaton } from './with-baton.ts';

const EARLY = 1_000;
const LATE = 200_000;
const WINDOW = 2_000;
const WINDOWS = 5;
const IN_FLIGHT = 64;

const run = (baton: Baton, tasks: number): Promise<void> => closedLoop(tasks, IN_FLIGHT, () => oneTask(baton));

/** CPU time of this process and of all its stores, per task: steadier than throughput on a shared machine. */
const costUs = async (baton: Baton): Promise<number> => {
  const windows: number[] = [];
  for (let window = 0; window < WINDOWS; window += 1) {
    const used = (): number => sumOver(treeOf(process.pid), cpuUs);
    const before = used();
    await run(baton, WINDOW);
    windows.push((used() - before) / WINDOW);
  }
  return median(windows);
};

export const scale: Bench = {
  question: 'Does a task cost more after 200,000 finished ones than after 1,000?',
  async run({ runs, say, stores }) {
    const figures = new Figures();
    const ratios: number[] = [];
    for (let index = 1; index <= runs; index += 1) {
      await withBaton(stores, async (baton) => {
        await baton.agent(NOOP_AGENT, () => null);
        await run(baton, EARLY);
        const early = await costUs(baton);
        let finished = EARLY + WINDOW * WINDOWS;
        while (finished < LATE) {
          const next = Math.min(10_000, LATE - finished);
          await run(baton, next);
          finished += next;
          say(`run ${index} of ${runs}: ${finished} of ${LATE}`);
        }
        const late = await costUs(baton);
        figures.add('cpuUsPerTask.after1k', early, 'µs');
        figures.add('cpuUsPerTask.after200k', late, 'µs');
        ratios.push(late / early);
      });
    }
    return { runs, figures: figures.spreads(), ratios: { costAfter200kOver1k: round(median(ratios)) } };
  },
};
