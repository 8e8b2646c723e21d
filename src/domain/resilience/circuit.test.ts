import { describe, expect, it } from 'vitest';
import { type Circuit, countCall, dueChange, enterState, keepsOut, newCircuit } from './circuit.ts';

const circuitAfter = (calls: string): Circuit => {
  const circuit = newCircuit();
  for (const call of calls) countCall(circuit, 't', call === 'x');
  return circuit;
};

const changeAfter = (calls: string) => dueChange(circuitAfter(calls), 0);

describe('a closed breaker', () => {
  it('opens at the fifth failure in a row, and not when one call was answered in between', () => {
    expect(changeAfter('xxxx')).toBeUndefined();
    expect(changeAfter('xxxx.xxxx')).toBeUndefined();
    expect(changeAfter('...xxxxx')).toEqual({ to: 'open', cause: 'failures_in_row', failures: 5, calls: 5 });
  });

  it('opens when half of ten calls or more have failed', () => {
    expect(changeAfter('x.x.x.x.x')).toBeUndefined();
    expect(changeAfter('x.x.x.x.x.')).toEqual({ to: 'open', cause: 'failure_rate', failures: 5, calls: 10 });
    expect(changeAfter('x.x.x.x...')).toBeUndefined();
  });

  it('counts the last hundred calls only', () => {
    const old = '.'.repeat(100);
    expect(changeAfter(`${old}${'x.'.repeat(49)}`)).toBeUndefined();
    expect(changeAfter(`${old}${'x.'.repeat(50)}`)).toMatchObject({ cause: 'failure_rate', failures: 50, calls: 100 });
    expect(circuitAfter('x.'.repeat(1_000)).failed).toHaveLength(50);
  });
});

describe('an open breaker', () => {
  it('lets nobody through for 60 s, and counts no call from before', () => {
    const circuit = circuitAfter('xxxxx');
    enterState(circuit, 'open', 1_000);
    expect(keepsOut(circuit)).toBe(true);
    countCall(circuit, 't', false);
    expect(dueChange(circuit, 60_999)).toBeUndefined();
    expect(dueChange(circuit, 61_000)).toMatchObject({ to: 'half_open' });
  });
});

describe('a half-open breaker', () => {
  const probed = (...outcomes: readonly (readonly [taskId: string, failed: boolean])[]): Circuit => {
    const circuit = newCircuit();
    enterState(circuit, 'half_open', 0);
    for (const [taskId, failed] of outcomes) {
      circuit.probe = 'probe';
      countCall(circuit, taskId, failed);
    }
    return circuit;
  };

  it('lets one call through at a time', () => {
    const circuit = probed();
    expect(keepsOut(circuit)).toBe(false);
    circuit.held = 1;
    expect(keepsOut(circuit)).toBe(true);
  });

  it('closes after two calls that were answered, and opens again after one that failed', () => {
    expect(dueChange(probed(['probe', false]), 0)).toBeUndefined();
    expect(dueChange(probed(['probe', false], ['probe', false]), 0)).toMatchObject({ to: 'closed' });
    expect(dueChange(probed(['probe', false], ['probe', true]), 0)).toMatchObject({
      to: 'open',
      cause: 'probe_failed',
    });
  });

  it('learns nothing from calls that began before it opened', () => {
    expect(dueChange(probed(['old', true], ['old', false], ['old', false]), 0)).toBeUndefined();
  });
});
