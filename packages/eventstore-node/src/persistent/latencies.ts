const WINDOW = 1_000;

const PERCENTILES: readonly (readonly [name: string, fraction: number])[] = [
  ['Quintile 1', 0.2],
  ['Quintile 2', 0.4],
  ['Quintile 3', 0.6],
  ['Quintile 4', 0.8],
  ['Quintile 5', 1],
  ['90%', 0.9],
  ['95%', 0.95],
  ['99%', 0.99],
  ['99.5%', 0.995],
  ['99.9%', 0.999],
  ['Highest', 1],
];

/** Times from delivery to acknowledgement, of the newest messages only. */
export class Latencies {
  readonly #samples: number[] = [];
  #next = 0;

  add(ms: number): void {
    this.#samples[this.#next] = ms;
    this.#next = (this.#next + 1) % WINDOW;
  }

  /** In whole ms under the names of the real server; all 0 while nothing was acknowledged. */
  measurements(): readonly (readonly [name: string, ms: number])[] {
    const sorted = this.#samples.toSorted((a, b) => a - b);
    const at = (fraction: number) => sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? 0;
    const mean = sorted.reduce((sum, ms) => sum + ms, 0) / Math.max(1, sorted.length);
    const head = [
      ['Mean', mean],
      ['Median', at(0.5)],
      ['Fastest', sorted[0] ?? 0],
    ] as const;
    const tail = PERCENTILES.map(([name, fraction]) => [name, at(fraction)] as const);
    return [...head, ...tail].map(([name, ms]) => [name, Math.round(ms)] as const);
  }
}
