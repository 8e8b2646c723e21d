/**
 * Situations that a campaign must reach at least once, otherwise it proves nothing (reliability.md §4.5). Each campaign lists those that
 * its faults can cause.
 */
export const SOMETIMES = [
  'stale completion refused',
  'append conflict retried',
  'unknown append was written',
  'unknown append was not written',
  'job redelivered while its holder lives',
  'queue flushed with jobs waiting',
  'duplicate callback',
  'callback before send reply',
  'assigner fenced by another',
  'assignment void when appended',
  'deadline passed while an agent worked',
  'outcome unknown settled by a late answer',
  'projector fenced by another',
  'rebuild during live traffic',
  'parked then redriven',
  'unknown event type skipped',
  'subscription resumed across a restart',
  'execution completed',
  'execution failed',
  'execution compensated',
  'compensation failed permanently',
  'execution cancelled',
  'execution reopened',
  'paused and resumed',
  'compensation of an uncertain step',
  'compensation tried again',
  'compensation completed after it was parked',
  'late result after the end refused',
  'sub-workflow joined',
  'sub-workflow failed its step',
  'delay ended',
  'event before its wait',
  'event after its wait',
] as const;

export type Sometimes = (typeof SOMETIMES)[number];

/** Counts the situations that a run reached. */
export class SometimesCounters<Name extends string = Sometimes> {
  readonly #counts: Map<Name, number>;

  constructor(names: readonly Name[]) {
    this.#counts = new Map(names.map((name) => [name, 0]));
  }

  /** Errors: throws on a name that was not declared: nobody would check that counter. */
  hit(name: Name, times = 1): void {
    const count = this.#counts.get(name);
    if (count === undefined) throw new Error(`no such counter: ${name}`);
    this.#counts.set(name, count + times);
  }

  count(name: Name): number {
    return this.#counts.get(name) ?? 0;
  }

  /** Adds the counts of another run of the same campaign. */
  merge(other: SometimesCounters<Name>): void {
    for (const [name, count] of Object.entries<number>(other.counts)) this.hit(name as Name, count);
  }

  get counts(): Readonly<Record<Name, number>> {
    return Object.fromEntries(this.#counts) as Record<Name, number>;
  }

  get missing(): readonly Name[] {
    return [...this.#counts].filter(([, count]) => count === 0).map(([name]) => name);
  }
}
