import { z } from 'zod';
import type { Decider } from '../decider.ts';
import { text } from '../json.ts';
import { ok, type Result, rejected } from '../result.ts';
import { type AdmissionEvent, admissionEvents } from './events.ts';

/** What people have decided about the work of a pool. */
export type PoolControl = {
  /** Set while no agent gets a task of the pool. */
  readonly paused: { readonly since: string; readonly reason?: string | undefined } | undefined;
};

export const NO_CONTROL: PoolControl = { paused: undefined };

export const PauseInput = z.strictObject({ reason: text({ max: 1_000 }).optional() });

export type PoolCommand = {
  readonly type: 'PausePool' | 'ResumePool';
  readonly pool: string;
  readonly reason?: string | undefined;
  readonly now: string;
};

export type PoolRejection =
  | { readonly reason: 'PoolAlreadyPaused'; readonly since: string }
  | { readonly reason: 'PoolNotPaused' };

type Decision = Result<AdmissionEvent[], PoolRejection>;

const decide = ({ type, pool, reason, now }: PoolCommand, { paused }: PoolControl): Decision => {
  const because = reason === undefined ? {} : { reason };
  if (type === 'ResumePool')
    return paused
      ? ok([{ type: 'PoolResumed', data: { pool, ...because, resumedAt: now } }])
      : rejected({ reason: 'PoolNotPaused' });
  if (paused) return rejected({ reason: 'PoolAlreadyPaused', since: paused.since });
  return ok([{ type: 'PoolPaused', data: { pool, ...because, pausedAt: now } }]);
};

export const evolveControl = (control: PoolControl, event: AdmissionEvent): PoolControl => {
  switch (event.type) {
    case 'PoolPaused':
      return { ...control, paused: { since: event.data.pausedAt, reason: event.data.reason } };
    case 'PoolResumed':
      return { ...control, paused: undefined };
  }
};

export const poolControlDecider: Decider<PoolControl, PoolCommand, AdmissionEvent, PoolRejection> = {
  initialState: () => NO_CONTROL,
  decide,
  evolve: evolveControl,
};

/** The events that lead to it, for who keeps it as JSON or begins with it. */
export const eventsOf = (pool: string, { paused }: PoolControl): AdmissionEvent[] => {
  if (paused === undefined) return [];
  const { since, reason } = paused;
  return [{ type: 'PoolPaused', data: { pool, ...(reason === undefined ? {} : { reason }), pausedAt: since } }];
};

/** What was decided about each pool; a fold of the log, changed in place. */
export class PoolControls {
  readonly #controls = new Map<string, PoolControl>();

  of(pool: string): PoolControl {
    return this.#controls.get(pool) ?? NO_CONTROL;
  }

  /** Those about which something holds. */
  get pools(): string[] {
    return [...this.#controls.keys()];
  }

  evolve(event: AdmissionEvent): void {
    const { pool } = event.data;
    const control = evolveControl(this.of(pool), event);
    if (eventsOf(pool, control).length === 0) this.#controls.delete(pool);
    else this.#controls.set(pool, control);
  }

  /** The events that lead to all of it. */
  events(): AdmissionEvent[] {
    return [...this.#controls].flatMap(([pool, control]) => eventsOf(pool, control));
  }
}

export const isAdmissionEvent = (event: { readonly type: string }): event is AdmissionEvent =>
  Object.hasOwn(admissionEvents, event.type);
