import { describe, expect, it } from 'vitest';
import { DEFAULT_RETRY } from '../domain/retry.ts';
import { excludedText, type GivenUp, givenUpAdvice, givenUpText } from './given-up.ts';

const task = (facts: Partial<GivenUp> = {}): GivenUp => ({
  reason: 'attempts_exhausted',
  attempts: 3,
  redrives: 0,
  retry: DEFAULT_RETRY,
  error: { code: 'BUSY', message: 'the till is closed', source: 'agent', retryable: true },
  agentId: 'till-1',
  deadlineAt: null,
  executionId: null,
  ...facts,
});
const retry = (facts: Partial<GivenUp['retry']>) => ({ retry: { ...DEFAULT_RETRY, ...facts } });

describe('a task that was given up', () => {
  it.each<[string, Partial<GivenUp>, string]>([
    [
      'its attempts',
      {},
      'its retry policy allows 3 attempts (with delays from 1000 ms on, each 2 times the last, at most 60000 ms), and all of them have failed',
    ],
    [
      'its attempts since a redrive',
      { attempts: 4, redrives: 1, ...retry({ kind: 'fixed', maxAttempts: 2 }) },
      'its retry policy allows 2 attempts after each redrive (1000 ms apart), and all of them have failed',
    ],
    ['its only attempt', retry({ maxAttempts: 1 }), 'its retry policy allows 1 attempt, and it has failed'],
    [
      'an error that cannot be retried',
      { reason: 'not_retryable', attempts: 1, ...retry({ kind: 'immediate' }) },
      'its last failure cannot be retried, whatever is left of the attempts: its retry policy allows 3 attempts (without delays)',
    ],
    [
      'agents out of reach',
      {
        reason: 'not_retryable',
        error: { code: 'AGENTS_UNREACHABLE', message: '', source: 'destination', retryable: false },
      },
      'no attempt has reached an agent for as long as BATON_UNREACHABLE_MS allows',
    ],
    [
      'its deadline',
      { reason: 'deadline_passed', attempts: 1, deadlineAt: '2026-01-01T00:00:00.000Z' },
      'its deadline 2026-01-01T00:00:00.000Z passed after 1 attempt',
    ],
    [
      'its deadline, before an agent was there',
      { reason: 'deadline_passed', attempts: 0 },
      'its deadline passed before any attempt had ended',
    ],
    [
      'an unknown outcome',
      { reason: 'outcome_unknown' },
      'nobody knows whether the last attempt took effect, and till-1 must not be called twice for one task',
    ],
  ])('names the limit that ended it: %s', (_, facts, text) => expect(givenUpText(task(facts))).toBe(text));

  it('says what can be done', () => {
    expect(givenUpAdvice(task())).toBe('mend the cause, then redrive the task: it gets 3 new attempts');
    expect(givenUpAdvice(task({ ...retry({ maxAttempts: 1 }), reason: 'deadline_passed' }))).toBe(
      'redrive the task: it gets 1 new attempt, and a new deadline if you give one',
    );
    expect(givenUpAdvice(task({ reason: 'outcome_unknown' }))).toContain('a late answer settles it');
    expect(givenUpAdvice(task({ executionId: 'e1' }))).toContain('retry or skip the step');
  });
});

it('agents that were left out are counted in words', () => {
  expect(excludedText('no_slot', 1)).toBe('1 agent without a free slot');
  expect(excludedText('failed_before', 2)).toBe('2 agents on which the task had failed before');
});
