import { describe, expect, it } from 'vitest';
import type { Health } from './events.ts';
import { conditionOf, judgeHealth, observedScore, Signs } from './health.ts';

describe('the condition that an agent reports', () => {
  it.each([
    [{}, 1],
    [{ load: 1 }, 1],
    [{ errorRate: 0.2 }, 0.8],
    [{ errorRate: 0.9 }, 0.5],
    [{ cpu: 0.7, memory: 0.7, responseMs: 2_000 }, 1],
    [{ cpu: 0.71 }, 0.8],
    [{ memory: 0.91 }, 0.5],
    [{ responseMs: 2_001 }, 0.8],
    [{ responseMs: 5_001 }, 0.5],
    [{ errorRate: 0.5, cpu: 0.95, responseMs: 6_000 }, 0.125],
  ])('of %j is %d', (signs, condition) => expect(conditionOf(signs)).toBeCloseTo(condition, 10));

  it.each([{ load: 2 }, { cpu: -0.1 }, { memory: '1' }, { responseMs: -1 }, { errorRate: Number.NaN }, { disk: 1 }])(
    'is refused as %o',
    (signs) => expect(Signs.safeParse(signs).success).toBe(false),
  );
});

const judge = (silentMs: number, condition = 1, health: Health = 'healthy') =>
  judgeHealth({ silentMs, intervalMs: 1_000, condition, health });

describe('the health of an agent', () => {
  it('falls with silence, as before it reported anything', () =>
    expect([0, 2_000, 2_001, 3_001, 10_001].map((silentMs) => judge(silentMs))).toEqual([
      'healthy',
      'healthy',
      'degraded',
      'unhealthy',
      'gone',
    ]));

  it('is a product of silence and condition', () => {
    expect(observedScore({ silentMs: 1_001, intervalMs: 1_000, condition: 0.5 })).toBeCloseTo(0.4, 10);
    expect(judge(1_001, 0.5)).toBe('degraded');
    expect(judge(2_001, 0.5)).toBe('unhealthy');
  });

  it.each<[number, Health, Health]>([
    [0.7, 'healthy', 'healthy'],
    [0.69, 'healthy', 'degraded'],
    [0.79, 'degraded', 'degraded'],
    [0.8, 'degraded', 'healthy'],
    [0.3, 'degraded', 'degraded'],
    [0.29, 'degraded', 'unhealthy'],
    [0.39, 'unhealthy', 'unhealthy'],
    [0.4, 'unhealthy', 'degraded'],
    [0.8, 'unhealthy', 'healthy'],
  ])('with score %d is, after %s, %s', (score, before, after) => expect(judge(0, score, before)).toBe(after));
});
