import type { Clock } from '../../../src/platform/clock.ts';
import type { Owner, Timeline } from './timeline.ts';

const START_MS = Date.parse('2026-03-01T12:00:00.000Z');

/** A process of the simulated world: its clock, and whether it runs. */
export class SimProcess implements Owner {
  readonly name: string;
  readonly clock: Clock;
  readonly backlog: (() => void)[] = [];
  readonly #timeline: Timeline;
  alive = true;
  suspended = false;
  /** How far its wall clock is off. */
  wallOffsetMs = 0;

  constructor(name: string, timeline: Timeline) {
    this.name = name;
    this.#timeline = timeline;
    this.clock = {
      now: () => Math.floor(START_MS + timeline.nowMs + this.wallOffsetMs),
      monotonic: () => timeline.nowMs,
      schedule: (delayMs, callback) => timeline.after(delayMs, this, callback),
    };
  }

  /** As SIGSTOP and, after `forMs`, SIGCONT. Its timers and the answers it waits for come when it goes on. */
  suspend(forMs: number): void {
    if (this.suspended || !this.alive) return;
    this.suspended = true;
    this.#timeline.after(forMs, undefined, () => this.resume());
  }

  resume(): void {
    if (!this.suspended) return;
    this.suspended = false;
    this.#timeline.wake(this);
  }

  /** As SIGKILL. */
  kill(): void {
    this.alive = false;
  }
}

/** The instant of the timeline by a right clock. */
export const rightTime = (timeline: Timeline): number => Math.floor(START_MS + timeline.nowMs);
