import { performance } from 'node:perf_hooks';

export type Spread = { readonly median: number; readonly min: number; readonly max: number; readonly unit: string };

/** What a benchmark answers with: medians over its runs, and ratios measured within one run. */
export type BenchResult = {
  readonly runs: number;
  readonly figures: Readonly<Record<string, Spread>>;
  readonly ratios: Readonly<Record<string, number>>;
};

export type Bench = {
  /** The question it answers, one line. */
  readonly question: string;
  run(options: BenchOptions): Promise<BenchResult>;
};

export type BenchOptions = {
  readonly runs: number;
  /** Progress for people, on stderr. */
  readonly say: (line: string) => void;
  readonly stores: BenchStores;
};

/** Where a benchmark's Baton keeps its data: in embedded servers of its own, unless something else is asked for. */
export type BenchStores = {
  /** The user's own servers, as environment variables. */
  readonly urls?: Readonly<Record<string, string>> | undefined;
  /** What the event store does with a live subscriber that is more than 32 events behind; for embedded servers. */
  readonly slowSubscribers?: 'drop' | 'read' | undefined;
};

export const round = (value: number): number =>
  value === 0 ? 0 : Number(value.toPrecision(Math.abs(value) >= 1_000 ? 5 : 4));

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

export const percentile = (values: readonly number[], p: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil((p / 100) * sorted.length) - 1)] ?? Number.NaN;
};

/** Collects one value per run under each key. */
export class Figures {
  readonly #values = new Map<string, { unit: string; values: number[] }>();

  add(key: string, value: number, unit: string): void {
    const entry = this.#values.get(key) ?? { unit, values: [] };
    entry.values.push(value);
    this.#values.set(key, entry);
  }

  addPercentiles(key: string, samplesMs: readonly number[]): void {
    this.add(`${key}.p50`, percentile(samplesMs, 50), 'ms');
    this.add(`${key}.p99`, percentile(samplesMs, 99), 'ms');
  }

  spreads(): Record<string, Spread> {
    return Object.fromEntries(
      [...this.#values].map(([key, { unit, values }]) => [
        key,
        { median: round(median(values)), min: round(Math.min(...values)), max: round(Math.max(...values)), unit },
      ]),
    );
  }
}

/** Runs `total` jobs with `inFlight` of them under way at once. */
export const closedLoop = async (
  total: number,
  inFlight: number,
  job: (index: number) => Promise<void>,
): Promise<void> => {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < total) {
      const index = next;
      next += 1;
      await job(index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, total) }, lane));
};

/** Starts a job every `1000 / perSecond` ms, whether or not earlier ones have ended, so that queueing shows in the latencies. */
export const openLoop = async (
  perSecond: number,
  seconds: number,
  job: (index: number, dueAt: number) => Promise<void>,
): Promise<void> => {
  const total = perSecond * seconds;
  const startAt = performance.now();
  const jobs: Promise<void>[] = [];
  for (let index = 0; index < total; index += 1) {
    const dueAt = startAt + (index * 1000) / perSecond;
    const wait = dueAt - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    jobs.push(job(index, dueAt));
  }
  await Promise.all(jobs);
};
