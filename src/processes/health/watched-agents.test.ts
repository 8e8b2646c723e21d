import { describe, expect, it } from 'vitest';
import type { AgentEvent, AgentProfile } from '../../domain/agent/events.ts';
import { WatchedAgents } from './watched-agents.ts';

const START_MS = Date.parse('2026-03-01T12:00:00.000Z');
const at = (ms: number): string => new Date(START_MS + ms).toISOString();

const profile = (heartbeatIntervalMs?: number): AgentProfile => ({
  pool: 'default',
  name: 'a',
  capabilities: [{ name: 'work', version: '1.0.0' }],
  transport: { kind: 'local' },
  maxConcurrency: 1,
  delivery: 'at_least_once',
  labels: {},
  ...(heartbeatIntervalMs === undefined ? {} : { heartbeatIntervalMs }),
});
const subject = { agentId: 'a', pool: 'default' };
const registered = (ms = 0, intervalMs: number | null = 1_000): AgentEvent => ({
  type: 'AgentRegistered',
  data: { ...profile(intervalMs ?? undefined), agentId: 'a', registeredAt: at(ms) },
});
const reconfigured = (ms: number, intervalMs?: number): AgentEvent => ({
  type: 'AgentReconfigured',
  data: { ...profile(intervalMs), agentId: 'a', reconfiguredAt: at(ms) },
});
const unhealthy: AgentEvent = {
  type: 'AgentHealthChanged',
  data: { ...subject, from: 'healthy', to: 'unhealthy', reason: 'silent', changedAt: at(0) },
};

const lost = { ...unhealthy, data: { ...unhealthy.data, callsLost: true } } as AgentEvent;

/** Every fold is also rebuilt from its snapshot, as JSON, after each event. */
const foldOf = (...events: readonly AgentEvent[]): WatchedAgents => {
  let restored = new WatchedAgents();
  const live = new WatchedAgents();
  for (const event of events) {
    live.evolve(event);
    restored.evolve(event);
    restored = new WatchedAgents(JSON.parse(JSON.stringify(restored.snapshot())));
  }
  expect(restored.snapshot()).toEqual(live.snapshot());
  return restored;
};

const verdict = (fold: WatchedAgents, silentMs: number) => fold.changeOf('a', silentMs)?.verdict;

describe('an agent that promised heartbeats', () => {
  it('is watched from its registration on', () =>
    expect(foldOf(registered()).agents).toMatchObject([{ agentId: 'a', registeredMs: START_MS }]));

  it.each([
    [2_000, undefined],
    [2_001, 'degraded'],
    [3_001, 'unhealthy'],
    [10_001, 'gone'],
  ])('after %d ms of silence is %s', (ms, expected) => expect(verdict(foldOf(registered()), ms)).toBe(expected));

  it('does not change while its recorded health matches its silence', () =>
    expect(verdict(foldOf(registered(), lost), 4_000)).toBeUndefined());

  it('is inactive once, and only when it was not before', () => {
    expect(foldOf(registered(), unhealthy).changeOf('a', 3_001)).toMatchObject({
      verdict: 'unhealthy',
      isInactive: true,
    });
    expect(foldOf(registered(), lost).changeOf('a', 3_001)).toBeUndefined();
    expect(foldOf(registered(), lost).changeOf('a', 500, 0.1)).toMatchObject({
      verdict: 'unhealthy',
      isInactive: false,
    });
  });
  it('is not taken out while it is under maintenance', () => {
    const maintained: AgentEvent = { type: 'AgentMaintenanceStarted', data: { ...subject, startedAt: at(0) } };
    const ended: AgentEvent = { type: 'AgentMaintenanceEnded', data: { ...subject, endedAt: at(0) } };
    expect(verdict(foldOf(registered(), maintained), 10_001)).toBe('unhealthy');
    expect(verdict(foldOf(registered(), maintained, ended), 10_001)).toBe('gone');
  });
  it('is watched while it drains', () => {
    const drained: AgentEvent = { type: 'AgentDrainStarted', data: { ...subject, startedAt: at(1) } };
    expect(foldOf(registered(), drained).agents).toHaveLength(1);
  });

  it('is healthy again with its next heartbeat', () =>
    expect(foldOf(registered(), unhealthy).changeOf('a', 500)).toEqual({
      agentId: 'a',
      verdict: 'healthy',
      silentMs: 500,
      score: 1,
      isSilent: false,
      isInactive: false,
    }));

  it('is inactive after three missed heartbeats, whatever it reported', () => {
    const { intervalMs } = foldOf(registered()).agents[0] as { intervalMs: number };
    const inactive = (intervals: number, condition: number) =>
      foldOf(registered()).changeOf('a', intervals * intervalMs, condition)?.isInactive;
    expect([inactive(2.9, 0.1), inactive(3.1, 0.1), inactive(3.1, 1)]).toEqual([false, true, true]);
  });

  it('is degraded by what it reports, and recovers only well above the limit', () => {
    expect(foldOf(registered()).changeOf('a', 500, 0.6)).toMatchObject({ verdict: 'degraded', score: 0.6 });
    expect(foldOf(registered(), unhealthy).changeOf('a', 500, 0.35)).toBeUndefined();
  });

  it('starts healthy when it registers again', () =>
    expect(verdict(foldOf(registered(), unhealthy, registered(9_000)), 500)).toBeUndefined());

  it('keeps its health through a change of configuration', () => {
    const fold = foldOf(registered(), lost, reconfigured(9_000, 2_000));
    expect(verdict(fold, 500)).toBe('healthy');
    expect(verdict(fold, 6_001)).toBeUndefined();
  });
});

describe('an agent that warms up', () => {
  const warming: AgentEvent = {
    type: 'AgentRegistered',
    data: { ...profile(), agentId: 'a', warmUpMs: 5_000, registeredAt: at(0) },
  };
  const ended: AgentEvent = { type: 'AgentWarmUpEnded', data: { ...subject, by: 'agent', endedAt: at(1) } };
  const drained: AgentEvent = { type: 'AgentDrainStarted', data: { ...subject, startedAt: at(1) } };

  it.each<[number, readonly AgentEvent[]]>([
    [1, [warming]],
    [0, [warming, ended]],
    [1, [warming, ended, warming]],
    [0, [warming, drained]],
    [0, [warming, { type: 'AgentDeregistered', data: { ...subject, deregisteredAt: at(1) } }]],
    [0, [warming, registered()]],
  ])('is one of %d after its events (%#)', (count, events) => expect(foldOf(...events).warming).toHaveLength(count));
});

describe('an agent that is not watched', () => {
  it.each<[string, readonly AgentEvent[]]>([
    ['promised no heartbeats', [registered(0, null)]],
    ['no longer promises any', [registered(), reconfigured(1)]],
    ['was deregistered', [registered(), { type: 'AgentDeregistered', data: { ...subject, deregisteredAt: at(1) } }]],
    ['was never registered', [unhealthy]],
  ])('because it %s is never judged', (_, events) => {
    const fold = foldOf(...events);
    expect(fold.agents).toEqual([]);
    expect(verdict(fold, 1_000_000)).toBeUndefined();
  });
});
