/** Messages sent, in total and since the last request for the figure. */
export type ThroughputReading = {
  readonly total: number;
  readonly sinceLast: number;
  readonly averagePerSecond: number;
};

export class Throughput {
  #total = 0;
  #lastTotal = 0;

  #lastAt: number;

  /** `lastAt`: now, in ms since the epoch. */
  constructor(lastAt: number) {
    this.#lastAt = lastAt;
  }

  count(): void {
    this.#total++;
  }

  read(now: number): ThroughputReading {
    const sinceLast = this.#total - this.#lastTotal;
    const elapsedMs = now - this.#lastAt;
    this.#lastTotal = this.#total;
    this.#lastAt = now;
    const averagePerSecond = elapsedMs > 0 ? Math.round((sinceLast * 1000) / elapsedMs) : 0;
    return { total: this.#total, sinceLast, averagePerSecond };
  }
}
