import { describe, expect, it } from 'vitest';
import { specOf } from '../../../test/support/given-when-then.ts';
import type { RegisterAgent } from './commands.ts';
import { agentDecider } from './decider.ts';
import { type AgentEvent, type AgentProfile, agentEvents, type Health } from './events.ts';

const agent = specOf(agentDecider);

const NOW = '2026-03-01T12:00:00.000Z';

const profile: AgentProfile = {
  pool: 'default',
  name: 'Anna',
  capabilities: [{ name: 'translate', version: '1.2.0' }],
  transport: { kind: 'local' },
  maxConcurrency: 10,
  delivery: 'at_least_once',
  labels: { region: 'eu', tier: 'gold' },
};

const registeredWith = (facts: Partial<AgentProfile> = {}): AgentEvent => ({
  type: 'AgentRegistered',
  data: { ...profile, ...facts, agentId: 'anna', registeredAt: NOW },
});
const registered = registeredWith();
const reconfigured = (facts: Partial<AgentProfile>): AgentEvent => ({
  type: 'AgentReconfigured',
  data: { ...profile, ...facts, agentId: 'anna', reconfiguredAt: NOW },
});
const health = (from: Health, to: Health): AgentEvent => ({
  type: 'AgentHealthChanged',
  data: { agentId: 'anna', pool: 'default', from, to, reason: 'heartbeat', changedAt: NOW },
});
const draining: AgentEvent = {
  type: 'AgentDrainStarted',
  data: { agentId: 'anna', pool: 'default', startedAt: NOW, limitMs: 300_000 },
};
const subject = { agentId: 'anna', pool: 'default' };
const warmedUp = (by: 'agent' | 'limit' = 'agent'): AgentEvent => ({
  type: 'AgentWarmUpEnded',
  data: { ...subject, by, endedAt: NOW },
});
const maintained: AgentEvent = { type: 'AgentMaintenanceStarted', data: { ...subject, startedAt: NOW } };
const released: AgentEvent = { type: 'AgentMaintenanceEnded', data: { ...subject, endedAt: NOW } };
const deregistered: AgentEvent = {
  type: 'AgentDeregistered',
  data: { agentId: 'anna', pool: 'default', deregisteredAt: NOW },
};

const register = (facts: Partial<AgentProfile> = {}, options: { replace?: boolean } = {}): RegisterAgent => ({
  type: 'RegisterAgent',
  agentId: 'anna',
  profile: { ...profile, ...facts },
  replace: options.replace ?? false,
  now: NOW,
});
const update = (changes: object) => ({ type: 'UpdateAgent', changes, now: NOW }) as const;
const changeHealth = (to: Health) => ({ type: 'ChangeAgentHealth', to, reason: 'heartbeat', now: NOW }) as const;
const drain = { type: 'DrainAgent', limitMs: 300_000, now: NOW } as const;
const maintain = { type: 'StartMaintenance', now: NOW } as const;
const release = { type: 'EndMaintenance', now: NOW } as const;
const endWarmUp = (by: 'agent' | 'limit' = 'agent') => ({ type: 'EndWarmUp', by, now: NOW }) as const;
const undrain = { type: 'UndrainAgent', now: NOW } as const;
const drainEnded: AgentEvent = { type: 'AgentDrainEnded', data: { agentId: 'anna', pool: 'default', endedAt: NOW } };
const deregister = { type: 'DeregisterAgent', now: NOW } as const;

const EVERY_OTHER_COMMAND = [
  update({ name: 'Bert' }),
  changeHealth('unhealthy'),
  drain,
  undrain,
  maintain,
  release,
  endWarmUp(),
  deregister,
];

describe('an agent that never registered', () => {
  it('registers with its whole profile', () => agent.given().when(register()).thenEvents(registered));

  it.each(EVERY_OTHER_COMMAND)('is not found by $type', (command) =>
    agent.given().when(command).thenRejected({ reason: 'AgentNotFound' }),
  );

  it('is not changed by events that come before its registration', () =>
    expect(agent.given(health('healthy', 'degraded'), draining, reconfigured({})).state).toEqual({ status: 'none' }));
});

describe('an active agent', () => {
  const active = agent.given(registered);

  it('has nothing to record when it registers again with the same profile', () =>
    active.when(register()).thenNothing());

  it('has the same profile whatever the order of its fields', () =>
    active.when(register({ labels: { tier: 'gold', region: 'eu' } })).thenNothing());

  it('does not register with another profile', () =>
    active.when(register({ maxConcurrency: 5 })).thenRejected({ reason: 'AgentAlreadyRegistered' }));

  it('registers with another profile when it says that it replaces it', () =>
    active.when(register({ maxConcurrency: 5 }, { replace: true })).thenEvents(registeredWith({ maxConcurrency: 5 })));

  it('does not move to another pool', () =>
    active
      .when(register({ pool: 'other' }, { replace: true }))
      .thenRejected({ reason: 'AgentPoolIsFixed', pool: 'default' }));

  it('records its whole profile when some of it changes', () =>
    active
      .when(update({ name: 'Bert', maxConcurrency: 3 }))
      .thenEvents(reconfigured({ name: 'Bert', maxConcurrency: 3 })));

  it('has nothing to record when an update changes nothing', () => {
    active.when(update({ name: 'Anna', labels: { tier: 'gold', region: 'eu' } })).thenNothing();
    active.when(update({ name: undefined })).thenNothing();
  });

  it('changes its health once', () => {
    active.when(changeHealth('degraded')).thenEvents(health('healthy', 'degraded'));
    agent.given(registered, health('healthy', 'degraded')).when(changeHealth('degraded')).thenNothing();
  });

  it('loses its calls when it is silent', () =>
    expect(active.when({ ...changeHealth('unhealthy'), callsLost: true }).events[0]?.data).toMatchObject({
      to: 'unhealthy',
      callsLost: true,
    }));

  it('starts to drain, with or without a reason', () => {
    active.when(drain).thenEvents(draining);
    expect(active.when({ ...drain, reason: 'upgrade' }).events[0]?.data).toMatchObject({ reason: 'upgrade' });
  });

  it('has no drain to end', () => active.when(undrain).thenRejected({ reason: 'AgentNotDraining' }));

  it('deregisters, with or without a reason', () => {
    active.when(deregister).thenEvents(deregistered);
    expect(active.when({ ...deregister, reason: 'retired' }).events[0]?.data).toMatchObject({ reason: 'retired' });
  });
});

describe('an agent that warms up', () => {
  const warm = { warmUpMs: 30_000 };
  const warming = agent.given(registeredWith(warm));

  it('ends it once, by its word or because its time is up', () => {
    warming.when(endWarmUp()).thenEvents(warmedUp());
    warming.when(endWarmUp('limit')).thenEvents(warmedUp('limit'));
    agent.given(registeredWith(warm), warmedUp()).when(endWarmUp()).thenNothing();
    agent.given(registered).when(endWarmUp()).thenNothing();
  });

  it('is an active one from then on', () => {
    const { warming: _, ...active } = warming.state as { warming?: true };
    expect(agent.given(registeredWith(warm), warmedUp()).state).toEqual(active);
  });

  it('warms up again when it registers anew, if it says that it replaces itself', () => {
    const ready = agent.given(registeredWith(warm), warmedUp());
    ready.when(register(warm)).thenNothing();
    ready.when(register(warm, { replace: true })).thenEvents(registeredWith(warm));
    warming.when(register(warm, { replace: true })).thenNothing();
  });

  it('has nothing left to warm up once it drains', () =>
    agent.given(registeredWith(warm), draining, drainEnded).when(endWarmUp()).thenNothing());
});

describe('an agent under maintenance', () => {
  const kept = agent.given(registered, maintained);
  const keptRegistered = { ...registered, data: { ...registered.data, maintenance: true } } as AgentEvent;

  it('is that until a person ends it, each recorded with a reason', () => {
    agent.given(registered).when(maintain).thenEvents(maintained);
    kept.when(maintain).thenRejected({ reason: 'AgentAlreadyInMaintenance' });
    kept.when(release).thenEvents(released);
    agent.given(registered, maintained, released).when(release).thenRejected({ reason: 'AgentNotInMaintenance' });
    expect(agent.given(registered).when({ ...maintain, reason: 'disks' }).events[0]?.data).toMatchObject({
      reason: 'disks',
    });
  });

  it('stays so when it registers again, also after it was deregistered', () => {
    kept.when(register()).thenNothing();
    agent.given(registered, maintained, deregistered).when(register()).thenEvents(keptRegistered);
    agent.given(keptRegistered).when(release).thenEvents(released);
    expect(agent.given(registered, maintained, draining, drainEnded, keptRegistered).state).toEqual(kept.state);
  });

  it('drains, changes health and warms up as others do', () => {
    kept.when(drain).thenEvents(draining);
    kept.when(changeHealth('degraded')).thenEvents(health('healthy', 'degraded'));
  });
});

describe('a silent agent', () => {
  const lost = {
    ...health('unhealthy', 'unhealthy'),
    data: { ...health('unhealthy', 'unhealthy').data, callsLost: true },
  };

  it('loses its calls although it was unhealthy before, and only once', () => {
    const sick = agent.given(registered, health('healthy', 'unhealthy'));
    sick.when({ ...changeHealth('unhealthy'), callsLost: true }).thenEvents(lost as AgentEvent);
    agent
      .given(registered, health('healthy', 'unhealthy'), lost as AgentEvent)
      .when({ ...changeHealth('unhealthy'), callsLost: true })
      .thenNothing();
  });

  it('is no longer silent once it reports that it is unhealthy', () =>
    agent
      .given(registered, lost as AgentEvent)
      .when(changeHealth('unhealthy'))
      .thenEvents(health('unhealthy', 'unhealthy')));
});

describe('an unhealthy agent', () => {
  const sick = agent.given(registered, health('healthy', 'unhealthy'));

  it('recovers', () => sick.when(changeHealth('healthy')).thenEvents(health('unhealthy', 'healthy')));

  it('keeps its health when its profile changes', () =>
    expect(agent.given(registered, health('healthy', 'unhealthy'), reconfigured({ name: 'Bert' })).state).toMatchObject(
      {
        health: 'unhealthy',
        profile: { name: 'Bert' },
      },
    ));

  it('is healthy once it has registered again', () =>
    expect(
      agent.given(registered, health('healthy', 'unhealthy'), registeredWith({ name: 'Bert' })).state,
    ).toMatchObject({
      status: 'active',
      health: 'healthy',
    }));
});

describe('a draining agent', () => {
  const leaving = agent.given(registered, draining);

  it('does not start to drain twice', () => leaving.when(drain).thenRejected({ reason: 'AgentAlreadyDraining' }));
  it('takes work again, with or without a reason, and keeps its profile', () => {
    leaving.when(undrain).thenEvents(drainEnded);
    expect(leaving.when({ ...undrain, reason: 'updated' }).events[0]?.data).toMatchObject({ reason: 'updated' });
    expect(agent.given(registered, draining, drainEnded).state).toEqual(agent.given(registered).state);
  });
  it('deregisters', () => leaving.when(deregister).thenEvents(deregistered));
  it('still changes health and profile', () => {
    leaving.when(changeHealth('unhealthy')).thenEvents(health('healthy', 'unhealthy'));
    leaving.when(update({ maxConcurrency: 1 })).thenEvents(reconfigured({ maxConcurrency: 1 }));
  });
  it('returns to work only when it says so', () => {
    leaving.when(register()).thenRejected({ reason: 'AgentIsDraining' });
    leaving.when(register({ maxConcurrency: 5 })).thenRejected({ reason: 'AgentAlreadyRegistered' });
    leaving.when(register({}, { replace: true })).thenEvents(registered);
    expect(agent.given(registered, draining, registered).state).toMatchObject({ status: 'active' });
  });
});

describe('a deregistered agent', () => {
  const gone = agent.given(registered, deregistered);

  it.each(EVERY_OTHER_COMMAND)('is not found by $type', (command) =>
    gone.when(command).thenRejected({ reason: 'AgentNotFound' }),
  );

  it('registers again, with any profile and in any pool', () => {
    gone.when(register()).thenEvents(registered);
    gone.when(register({ pool: 'other' })).thenEvents(registeredWith({ pool: 'other' }));
  });
});

describe('every event of an agent', () => {
  const outcomes = [
    agent.given().when(register({ description: 'd', heartbeatIntervalMs: 1_000 })),
    agent.given(registered).when(update({ costPerCall: { currency: 'EUR', micros: 5 } })),
    agent.given(registered).when(changeHealth('degraded')),
    agent.given(registered).when({ ...drain, reason: 'r' }),
    agent.given(registered).when({ ...maintain, reason: 'r' }),
    agent.given(registered, maintained).when(release),
    agent.given(registered, maintained, deregistered).when(register({ warmUpMs: 5 })),
    agent.given(registeredWith({ warmUpMs: 5 })).when(endWarmUp('limit')),
    agent.given(registered).when({ ...deregister, reason: 'r' }),
  ];

  it.each(outcomes.flatMap(({ events }) => events))('$type fits its schema', ({ type, data }) =>
    expect(agentEvents[type].schema.parse(data)).toEqual(data),
  );
});
