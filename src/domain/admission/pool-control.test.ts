import { describe, expect, it } from 'vitest';
import { specOf } from '../../../test/support/given-when-then.ts';
import type { AdmissionEvent } from './events.ts';
import { type PoolCommand, PoolControls, poolControlDecider } from './pool-control.ts';

const pool = specOf(poolControlDecider);
const NOW = '2026-03-01T12:00:00.000Z';

const paused: AdmissionEvent = { type: 'PoolPaused', data: { pool: 'p', reason: 'audit', pausedAt: NOW } };
const resumed: AdmissionEvent = { type: 'PoolResumed', data: { pool: 'p', resumedAt: NOW } };
const command = (type: PoolCommand['type'], reason?: string): PoolCommand => ({ type, pool: 'p', reason, now: NOW });

describe('a pool at work', () => {
  it('can be paused, and not resumed', () => {
    pool.given().when(command('PausePool', 'audit')).thenEvents(paused);
    pool.given().when(command('ResumePool')).thenRejected({ reason: 'PoolNotPaused' });
    pool.given(paused, resumed).when(command('ResumePool')).thenRejected({ reason: 'PoolNotPaused' });
  });
});

describe('a paused pool', () => {
  it('can be resumed, and not paused', () => {
    pool.given(paused).when(command('ResumePool')).thenEvents(resumed);
    pool.given(paused).when(command('PausePool')).thenRejected({ reason: 'PoolAlreadyPaused', since: NOW });
  });
});

describe('what was decided about all pools', () => {
  it('is what is not taken back, and the same from the events that it names', () => {
    const controls = new PoolControls();
    for (const event of [paused, { type: 'PoolPaused', data: { pool: 'q', pausedAt: NOW } } as const, resumed])
      controls.evolve(event);
    expect([controls.pools, controls.of('p').paused, controls.of('q').paused]).toEqual([
      ['q'],
      undefined,
      { since: NOW, reason: undefined },
    ]);
    const again = new PoolControls();
    for (const event of JSON.parse(JSON.stringify(controls.events())) as AdmissionEvent[]) again.evolve(event);
    expect(again.events()).toEqual(controls.events());
  });
});
