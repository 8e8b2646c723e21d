import type { ExecutionEvent } from '../../domain/execution/events.ts';
import { idOf } from '../../domain/ids.ts';
import type { Json } from '../../domain/json.ts';
import { hasSteppedBack } from '../../domain/stepped-back.ts';
import { IndexedHeap } from '../../domain/structures/indexed-heap.ts';
import type { AttemptError } from '../../domain/task/events.ts';
import { type ChildCompensation, ChildCompensations } from './child-compensations.ts';

type ChildOutcome =
  | { readonly status: 'completed'; readonly output: Json }
  | { readonly status: 'failed'; readonly error: AttemptError };

type Timer = {
  readonly executionId: string;
  readonly step: string | undefined;
  readonly dueMs: number;
  /** Of a step: how long it waits. Whoever recorded `dueMs` may have a clock that is ahead of the leader's. */
  readonly waitMs?: number | undefined;
};

/** A sub-workflow, from when a step asks for it until the step knows how it ended. */
type Child = {
  readonly executionId: string;
  readonly parentId: string;
  readonly step: string;
  readonly name: string;
  readonly version: string | undefined;
  readonly input: Json;
  readonly state: 'wanted' | 'running' | 'unwanted' | 'ended';
  readonly outcome: ChildOutcome | undefined;
};

/** Work that is due for an execution. Each is repeated until the log shows that it was done. */
export type DueWork =
  | { readonly kind: 'expire'; readonly executionId: string }
  | { readonly kind: 'continue'; readonly executionId: string }
  | { readonly kind: 'compensateChild'; readonly owed: ChildCompensation }
  | { readonly kind: 'wake'; readonly executionId: string; readonly step: string; readonly dueMs: number }
  | { readonly kind: 'startChild'; readonly child: Child }
  | { readonly kind: 'cancelChild'; readonly child: Child }
  | { readonly kind: 'closeChild'; readonly child: Child; readonly outcome: ChildOutcome };

export type WaitBookSnapshot = {
  readonly timers: readonly Timer[];
  readonly children: readonly Child[];
  /** Executions with a decision that was more than one append took. */
  readonly continuing: readonly string[];
  readonly childCompensations: readonly ChildCompensation[];
};

/** Raised with any change of what a snapshot holds or means. */
export const WAIT_BOOK_VERSION = 5;

const deadlineKey = (executionId: string): string => executionId;
const waitKey = (executionId: string, step: string): string => `${executionId}/${step}`;

const NOT_COMPLETED = (status: string): AttemptError => ({
  code: 'CHILD_NOT_COMPLETED',
  message: `the sub-workflow ended as ${status}`,
  source: 'agent',
  retryable: false,
});

/**
 * What executions wait for besides agents: delays, time limits, sub-workflows. A fold of their streams; changed in place like the pool's
 * ledger, and like it without clock or I/O.
 */
export class WaitBook {
  readonly #timers = new Map<string, Timer>();
  readonly #ofExecution = new Map<string, Set<string>>();
  readonly #children = new Map<string, Child>();
  readonly #childrenOf = new Map<string, Set<string>>();
  readonly #continuing = new Set<string>();
  readonly #childCompensations = new ChildCompensations();
  readonly #due = new IndexedHeap();
  /** Waits of steps that no clock has looked at yet. */
  readonly #uncounted = new Set<string>();
  readonly #halted = new Set<string>();
  #lookedMs = Number.NEGATIVE_INFINITY;
  #seq = 0;

  constructor(snapshot?: WaitBookSnapshot) {
    for (const timer of snapshot?.timers ?? []) this.#setTimer(timer);
    for (const child of snapshot?.children ?? []) this.#setChild(child);
    for (const id of snapshot?.continuing ?? []) this.#setContinuing(id, true);
    for (const compensation of snapshot?.childCompensations ?? [])
      this.#childCompensationChanged(this.#childCompensations.set(compensation));
  }

  snapshot(): WaitBookSnapshot {
    return {
      timers: [...this.#timers.values()],
      children: [...this.#children.values()],
      continuing: [...this.#continuing],
      childCompensations: [...this.#childCompensations.values()],
    };
  }

  get size(): number {
    return this.#timers.size + this.#children.size + this.#continuing.size + this.#childCompensations.size;
  }

  nextDueMs(): number | undefined {
    return this.#due.peek()?.key;
  }

  /** Work that is due; each is put off by `holdMs`, in case it does not lead to an event. */
  due(nowMs: number, holdMs: number): DueWork[] {
    // A wait that was counted before the step would last until the clock is there again.
    if (hasSteppedBack(this.#lookedMs, nowMs)) for (const timer of this.#timers.values()) this.#setTimer(timer);
    this.#lookedMs = nowMs;
    const work: DueWork[] = [];
    for (let head = this.#due.peek(); head && head.key <= nowMs; head = this.#due.peek()) {
      const endsMs = this.#countedFrom(nowMs, head.id);
      if (endsMs > nowMs) {
        this.#due.set(head.id, endsMs, this.#seq++);
        continue;
      }
      const found = this.#workOf(head.id);
      if (found && !this.#isHalted(found)) {
        work.push(found);
        this.#due.set(head.id, nowMs + holdMs, this.#seq++);
      } else this.#due.delete(head.id);
    }
    return work;
  }

  /** When a wait is over that has not been looked at before: at the recorded time, and not later than it would be counted from now on. */
  #countedFrom(nowMs: number, key: string): number {
    if (!this.#uncounted.delete(key)) return nowMs;
    const { dueMs, waitMs = 0 } = this.#timers.get(key) as Timer;
    return Math.min(dueMs, nowMs + waitMs);
  }

  halt(stream: string): void {
    this.#halted.add(idOf(stream));
  }

  #isHalted(work: DueWork): boolean {
    if ('owed' in work) return this.#halted.has(work.owed.childId) || this.#halted.has(work.owed.parentId);
    if (!('child' in work)) return this.#halted.has(work.executionId);
    return this.#halted.has(work.child.executionId) || this.#halted.has(work.child.parentId);
  }

  #workOf(key: string): DueWork | undefined {
    const timer = this.#timers.get(key);
    if (timer)
      return timer.step === undefined
        ? { kind: 'expire', executionId: timer.executionId }
        : { kind: 'wake', executionId: timer.executionId, step: timer.step, dueMs: timer.dueMs };
    if (this.#continuing.has(continuingOf(key))) return { kind: 'continue', executionId: continuingOf(key) };
    const owed = this.#childCompensations.get(compensatedChildOf(key));
    if (owed) return owed.isDue ? { kind: 'compensateChild', owed } : undefined;
    const child = this.#children.get(childOf(key));
    switch (child?.state) {
      case 'wanted':
        return { kind: 'startChild', child };
      case 'unwanted':
        return { kind: 'cancelChild', child };
      case 'ended':
        return child.outcome && { kind: 'closeChild', child, outcome: child.outcome };
      default:
        return undefined;
    }
  }

  evolve(event: ExecutionEvent): void {
    const { executionId } = event.data;
    this.#childCompensationChanged(this.#childCompensations.evolve(event));
    switch (event.type) {
      case 'ExecutionStarted': {
        const { deadlineAt } = event.data;
        if (deadlineAt !== undefined) this.#setTimer({ executionId, step: undefined, dueMs: Date.parse(deadlineAt) });
        this.#changeChild(executionId, (child) => (child.state === 'wanted' ? { ...child, state: 'running' } : child));
        return;
      }
      case 'StepWaiting':
        this.#waiting(event.data);
        return;
      case 'StepCompleted':
      case 'StepFailed':
      case 'StepSkipped':
        this.#stepEnded(executionId, event.data.stepId);
        return;
      case 'ExecutionContinued':
        this.#setContinuing(executionId, event.data.rest);
        return;
      case 'ExecutionAborting':
        this.#dropTimers(executionId);
        this.#setContinuing(executionId, false);
        // The execution waits for its sub-workflows to end, and they are cancelled.
        for (const id of this.#childrenOf.get(executionId) ?? [])
          this.#changeChild(id, (child) => (child.state === 'ended' ? child : { ...child, state: 'unwanted' }));
        return;
      case 'ExecutionCompleted':
        this.#ended(executionId, { status: 'completed', output: event.data.output });
        return;
      case 'ExecutionFailed':
        this.#ended(executionId, { status: 'failed', error: event.data.error });
        return;
      case 'ExecutionCancelled':
        this.#ended(executionId, { status: 'failed', error: NOT_COMPLETED('cancelled') });
        return;
      case 'ExecutionCompensated':
        this.#ended(executionId, { status: 'failed', error: NOT_COMPLETED('compensated') });
        return;
      case 'ExecutionMigrated':
        this.#migrated(executionId, event.data.mapping);
        return;
      default:
        return;
    }
  }

  #setTimer(timer: Timer): void {
    const { executionId, step, dueMs, waitMs } = timer;
    const key = step === undefined ? deadlineKey(executionId) : waitKey(executionId, step);
    this.#timers.set(key, timer);
    const known = this.#ofExecution.get(executionId);
    if (known) known.add(key);
    else this.#ofExecution.set(executionId, new Set([key]));
    if (waitMs !== undefined) this.#uncounted.add(key);
    this.#due.set(key, waitMs === undefined ? dueMs : 0, this.#seq++);
  }

  #dropTimer(executionId: string, key: string): void {
    if (!this.#timers.delete(key)) return;
    this.#due.delete(key);
    this.#uncounted.delete(key);
    const known = this.#ofExecution.get(executionId);
    known?.delete(key);
    if (known?.size === 0) this.#ofExecution.delete(executionId);
  }

  #dropTimers(executionId: string): void {
    for (const key of [...(this.#ofExecution.get(executionId) ?? [])]) this.#dropTimer(executionId, key);
  }

  #childCompensationChanged(childId: string | undefined): void {
    if (childId === undefined) return;
    if (this.#childCompensations.get(childId)?.isDue) this.#due.set(compensationKey(childId), 0, this.#seq++);
    else this.#due.delete(compensationKey(childId));
  }

  #setContinuing(executionId: string, continues: boolean): void {
    const key = continuingKey(executionId);
    if (continues) {
      this.#continuing.add(executionId);
      this.#due.set(key, 0, this.#seq++);
    } else if (this.#continuing.delete(executionId)) this.#due.delete(key);
  }

  #setChild(child: Child): void {
    this.#children.set(child.executionId, child);
    const known = this.#childrenOf.get(child.parentId);
    if (known) known.add(child.executionId);
    else this.#childrenOf.set(child.parentId, new Set([child.executionId]));
    if (child.state !== 'running') this.#due.set(childKey(child.executionId), 0, this.#seq++);
    else this.#due.delete(childKey(child.executionId));
  }

  #changeChild(id: string, change: (child: Child) => Child): void {
    const child = this.#children.get(id);
    const next = child && change(child);
    if (next && next !== child) this.#setChild(next);
  }

  #dropChild({ executionId, parentId }: Child): void {
    this.#children.delete(executionId);
    this.#due.delete(childKey(executionId));
    const known = this.#childrenOf.get(parentId);
    known?.delete(executionId);
    if (known?.size === 0) this.#childrenOf.delete(parentId);
  }

  #waiting({
    executionId,
    stepId,
    since,
    dueAt,
    child,
  }: Extract<ExecutionEvent, { type: 'StepWaiting' }>['data']): void {
    const dueMs = dueAt === undefined ? undefined : Date.parse(dueAt);
    if (dueMs !== undefined) this.#setTimer({ executionId, step: stepId, dueMs, waitMs: dueMs - Date.parse(since) });
    if (child)
      this.#setChild({
        executionId: child.executionId,
        parentId: executionId,
        step: stepId,
        name: child.name,
        version: child.version,
        input: child.input,
        state: 'wanted',
        outcome: undefined,
      });
  }

  #stepEnded(executionId: string, stepId: string): void {
    this.#dropTimer(executionId, waitKey(executionId, stepId));
    for (const id of [...(this.#childrenOf.get(executionId) ?? [])]) {
      const child = this.#children.get(id);
      if (child?.step === stepId) this.#dropChild(child);
    }
  }

  #ended(executionId: string, outcome: ChildOutcome): void {
    this.#dropTimers(executionId);
    this.#setContinuing(executionId, false);
    this.#changeChild(executionId, (child) => ({ ...child, state: 'ended', outcome }));
  }

  #migrated(executionId: string, mapping: Readonly<Record<string, string | null>>): void {
    const timers = [...(this.#ofExecution.get(executionId) ?? [])].flatMap((key) => this.#timers.get(key) ?? []);
    // All are removed before any is set again: two steps may have swapped names.
    this.#dropTimers(executionId);
    for (const timer of timers) this.#setTimer({ ...timer, step: timer.step && (mapping[timer.step] ?? timer.step) });
    for (const id of this.#childrenOf.get(executionId) ?? [])
      this.#changeChild(id, (child) => {
        const target = mapping[child.step];
        return typeof target === 'string' ? { ...child, step: target } : child;
      });
  }
}

const CHILD = 'child:';
const childKey = (executionId: string): string => `${CHILD}${executionId}`;
const childOf = (key: string): string => key.slice(CHILD.length);
const COMPENSATION = 'compensation:';
const compensationKey = (childId: string): string => `${COMPENSATION}${childId}`;
const compensatedChildOf = (key: string): string =>
  key.startsWith(COMPENSATION) ? key.slice(COMPENSATION.length) : '';
const CONTINUING = 'continue:';
const continuingKey = (executionId: string): string => `${CONTINUING}${executionId}`;
const continuingOf = (key: string): string => (key.startsWith(CONTINUING) ? key.slice(CONTINUING.length) : '');
