import { describe, expect, it } from 'vitest';
import type { AgentEvent, AgentProfile, Health } from '../agent/events.ts';
import type { PoolEvent } from '../pool/events.ts';
import type { AttemptError, TaskEvent } from '../task/events.ts';
import { Fleet } from './fleet.ts';
import { DiscoverAgentsInput } from './query.ts';

const AT = '2026-03-01T12:00:00.000Z';
const ANNA = 'anna';

const profile: AgentProfile = {
  pool: 'default',
  name: 'Anna',
  capabilities: [{ name: 'translate', version: '1.2.0' }],
  transport: { kind: 'local' },
  maxConcurrency: 1,
  delivery: 'at_least_once',
  labels: {},
};
const registered = (facts: Partial<AgentProfile> = {}, agentId = ANNA): AgentEvent => ({
  type: 'AgentRegistered',
  data: { ...profile, ...facts, agentId, registeredAt: AT },
});
const subject = { agentId: ANNA, pool: 'default' };
const health = (to: Health): AgentEvent => ({
  type: 'AgentHealthChanged',
  data: { ...subject, from: 'healthy', to, reason: 'r', changedAt: AT },
});
const drain: AgentEvent = { type: 'AgentDrainStarted', data: { ...subject, startedAt: AT } };
const maintain: AgentEvent = { type: 'AgentMaintenanceStarted', data: { ...subject, startedAt: AT } };
const gone: AgentEvent = { type: 'AgentDeregistered', data: { ...subject, deregisteredAt: AT } };

const taskOf = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const submitted = (n: number) => ({ type: 'TaskSubmitted', data: { taskId: taskOf(n) } }) as TaskEvent;
const assigned = (...tasks: number[]) =>
  ({
    type: 'TasksAssigned',
    data: { pool: 'default', assignments: tasks.map((n) => ({ taskId: taskOf(n), attempt: 1, agentId: ANNA })) },
  }) as unknown as PoolEvent;
const ended = (type: TaskEvent['type'], n: number, facts: object = {}) =>
  ({ type, data: { taskId: taskOf(n), agentId: ANNA, ...facts } }) as TaskEvent;
const failed = (n: number, error: Partial<AttemptError>) => ended('TaskAttemptFailed', n, { error });
const MISSED = { source: 'destination', notSent: true } as const;

const fleetOf = (...events: readonly (AgentEvent | TaskEvent | PoolEvent)[]): Fleet => {
  const fleet = new Fleet();
  for (const event of events) fleet.evolve(event);
  return fleet;
};
const reasons = (fleet: Fleet, query: object = {}, nowMs: number = Date.parse(AT)): string[] =>
  fleet
    .discover(DiscoverAgentsInput.parse({ readiness: 'able_now', ...query }), nowMs)
    .leftOut.map(({ reason }) => reason);

describe('a fleet, from the log', () => {
  it('knows an agent by what it registered with, and later by what it changed', () => {
    const fleet = fleetOf(registered({ tags: ['gpu'] }));
    fleet.evolve({ type: 'AgentReconfigured', data: { ...profile, tags: ['cpu'], agentId: ANNA, reconfiguredAt: AT } });
    expect(fleet.discover(DiscoverAgentsInput.parse({ tags: ['cpu'] }), 0).agents).toMatchObject([{ agentId: ANNA }]);
    expect(fleet.discover(DiscoverAgentsInput.parse({ tags: ['gpu'] }), 0).total).toBe(0);
  });

  it.each([
    ['health', [health('unhealthy')]],
    ['draining', [drain]],
    ['maintenance', [maintain]],
    ['warming', [registered({ warmUpMs: 5 })]],
    ['no_slot', [submitted(1), assigned(1)]],
    ['unreachable', [submitted(1), assigned(1), failed(1, MISSED)]],
  ])('leaves it out for %s, until it registers again or the attempt ends', (reason, events) => {
    const fleet = fleetOf(registered(), ...events);
    expect(reasons(fleet)).toEqual([reason]);
    if (reason === 'no_slot') fleet.evolve(ended('TaskCompleted', 1));
    else fleet.evolve(registered());
    expect(reasons(fleet)).toEqual([]);
  });

  it('leaves it out while it is paused, and for a capability whose breaker is open', () => {
    const busy = ended('TaskAttemptFailed', 1, { error: { source: 'agent' }, failedAt: AT, retryAfterMs: 5_000 });
    const paused = fleetOf(registered(), submitted(1), assigned(1), busy);
    const atMs = Date.parse(AT);
    expect(reasons(paused, {}, atMs + 4_999)).toEqual(['paused']);
    expect(reasons(paused, {}, atMs + 5_000)).toEqual([]);
    const change = (to: string) =>
      ({ type: 'BreakersChanged', data: { changes: [{ agentId: ANNA, capability: 'translate', to }] } }) as PoolEvent;
    const open = fleetOf(registered(), change('open'));
    expect(reasons(open, { capabilities: [{ name: 'translate' }] })).toEqual(['breaker']);
    expect(reasons(open)).toEqual([]);
    open.evolve(change('half_open'));
    expect(reasons(open, { capabilities: [{ name: 'translate' }] })).toEqual([]);
    for (const fleet of [paused, open]) {
      fleet.evolve(change('open'));
      fleet.evolve(registered());
      expect(reasons(fleet, { capabilities: [{ name: 'translate' }] })).toEqual([]);
    }
  });

  it.each(['TaskCompleted', 'TaskOutcomeUnknown', 'TaskCancelled', 'TaskFailed', 'TaskDeadLettered'] as const)(
    'gets its place back by %s, once',
    (type) => {
      const fleet = fleetOf(registered({ maxConcurrency: 2 }), submitted(1), submitted(2), assigned(1, 2));
      expect(reasons(fleet)).toEqual(['no_slot']);
      fleet.evolve(ended(type, 1));
      fleet.evolve(ended(type, 1));
      expect(fleet.discover(DiscoverAgentsInput.parse({}), 0).agents).toMatchObject([{ open: 1 }]);
    },
  );

  it('ignores an assignment of a task that has ended', () => {
    const fleet = fleetOf(registered(), submitted(1), ended('TaskCancelled', 1), assigned(1));
    expect(reasons(fleet)).toEqual([]);
  });

  it('is reachable again once it answered, also with a failure', () => {
    const fleet = fleetOf(registered(), submitted(1), assigned(1), failed(1, MISSED), assigned(1));
    expect(reasons(fleet)).toEqual(['unreachable']);
    fleet.evolve(failed(1, { source: 'agent' }));
    expect(reasons(fleet)).toEqual([]);
  });

  it('forgets an agent that leaves, and counts what it still holds when it returns', () => {
    const fleet = fleetOf(registered(), submitted(1), assigned(1), gone);
    expect(fleet.size).toBe(0);
    fleet.evolve(registered());
    expect(reasons(fleet)).toEqual(['no_slot']);
  });

  it('is the same after it was kept as JSON and read again', () => {
    const many = Array.from({ length: 2_500 }, (_, n) => registered({ tags: [`t${n % 7}`] }, `a${n}`));
    const fleet = fleetOf(...many, registered(), submitted(1), submitted(2), assigned(1));
    const again = new Fleet();
    for (const part of JSON.parse(JSON.stringify(fleet.takeParts()))) again.restorePart(part);
    for (const each of [fleet, again]) each.evolve(assigned(2));
    for (const query of [{ tags: ['t3'] }, { readiness: 'able_now', limit: 100 }]) {
      const asked = DiscoverAgentsInput.parse(query);
      expect(again.discover(asked, 0)).toEqual(fleet.discover(asked, 0));
    }
    expect(fleet.takeParts().length).toBeGreaterThan(3);
  });
});
