import type { Decider } from '../decider.ts';
import { assertNever, ok, type Result, rejected } from '../result.ts';
import type { AgentCommand, ChangeAgentHealth, RegisterAgent, UpdateAgent } from './commands.ts';
import type { AgentEvent, AgentProfile, Health } from './events.ts';

/**
 * Lifecycle of an agent: `active` takes work once it is warm, `draining` finishes what it holds, `deregistered` is out until it registers
 * again. Health and maintenance are separate facts: an unhealthy agent, and one under maintenance, stays registered and gets no new work.
 */
export type Agent =
  | { readonly status: 'none' }
  | (Facts & { readonly status: 'active' | 'draining' })
  | (Kept & { readonly status: 'deregistered'; readonly agentId: string });

/** What a person decided about the agent of this id, however often it registers. */
type Kept = { readonly maintenance?: true };
type Facts = Kept & {
  readonly agentId: string;
  readonly profile: AgentProfile;
  readonly health: Health;
  /** It is unhealthy because nothing is heard of it. */
  readonly silent?: true;
  readonly warming?: true;
};

export type AgentRejection =
  | { readonly reason: 'AgentNotFound' }
  | { readonly reason: 'AgentAlreadyRegistered' }
  | { readonly reason: 'AgentIsDraining' }
  | { readonly reason: 'AgentAlreadyDraining' }
  | { readonly reason: 'AgentNotDraining' }
  | { readonly reason: 'AgentAlreadyInMaintenance' }
  | { readonly reason: 'AgentNotInMaintenance' }
  | { readonly reason: 'AgentPoolIsFixed'; readonly pool: string };

type Decision = Result<AgentEvent[], AgentRejection>;
type Registered = Extract<Agent, { status: 'active' | 'draining' }>;

export const initialAgent = (): Agent => ({ status: 'none' });

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, item: unknown) =>
    item !== null && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
const sameProfile = (a: AgentProfile, b: AgentProfile): boolean => canonical(a) === canonical(b);

const register = (command: RegisterAgent, agent: Agent): Decision => {
  const { agentId, profile, now } = command;
  if (agent.status === 'none')
    return ok([{ type: 'AgentRegistered', data: { ...profile, agentId, registeredAt: now } }]);
  const kept = agent.maintenance ? { maintenance: agent.maintenance } : {};
  const registered: AgentEvent = { type: 'AgentRegistered', data: { ...profile, agentId, ...kept, registeredAt: now } };
  if (agent.status === 'deregistered') return ok([registered]);
  const same = sameProfile(agent.profile, profile);
  // One that warms up again after a restart says so by `replace`.
  const warmsUpAgain = command.replace && profile.warmUpMs !== undefined && !agent.warming;
  if (agent.status === 'active' && same && !warmsUpAgain) return ok([]);
  if (!command.replace) return rejected({ reason: same ? 'AgentIsDraining' : 'AgentAlreadyRegistered' });
  if (agent.profile.pool !== profile.pool) return rejected({ reason: 'AgentPoolIsFixed', pool: agent.profile.pool });
  return ok([registered]);
};

const update = ({ changes, now }: UpdateAgent, agent: Registered): Decision => {
  const present = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  const profile = { ...agent.profile, ...present } as AgentProfile;
  if (sameProfile(agent.profile, profile)) return ok([]);
  return ok([{ type: 'AgentReconfigured', data: { ...profile, agentId: agent.agentId, reconfiguredAt: now } }]);
};

const lostCalls = (callsLost: true | undefined): { callsLost?: true } => (callsLost ? { callsLost } : {});

const changeHealth = ({ to, reason, callsLost, now }: ChangeAgentHealth, agent: Registered): Decision =>
  to === agent.health && callsLost === agent.silent
    ? ok([])
    : ok([
        {
          type: 'AgentHealthChanged',
          data: {
            agentId: agent.agentId,
            pool: agent.profile.pool,
            from: agent.health,
            to,
            reason,
            changedAt: now,
            ...lostCalls(callsLost),
          },
        },
      ]);

const because = (reason: string | undefined): { reason?: string } => (reason === undefined ? {} : { reason });

type Subject = { readonly agentId: string; readonly pool: string };
type Leaving = Extract<AgentCommand, { type: 'DrainAgent' | 'UndrainAgent' | 'DeregisterAgent' }>;
type Steering = Extract<AgentCommand, { type: 'StartMaintenance' | 'EndMaintenance' | 'EndWarmUp' }>;

const leave = (command: Leaving, agent: Registered, subject: Subject): Decision => {
  const { now, reason } = command;
  switch (command.type) {
    case 'DrainAgent': {
      if (agent.status === 'draining') return rejected({ reason: 'AgentAlreadyDraining' });
      const data = { ...subject, startedAt: now, ...because(reason), limitMs: command.limitMs };
      return ok([{ type: 'AgentDrainStarted', data }]);
    }
    case 'UndrainAgent':
      return agent.status === 'active'
        ? rejected({ reason: 'AgentNotDraining' })
        : ok([{ type: 'AgentDrainEnded', data: { ...subject, endedAt: now, ...because(reason) } }]);
    case 'DeregisterAgent': {
      const data = { ...subject, deregisteredAt: now, ...because(reason), ...lostCalls(command.callsLost) };
      return ok([{ type: 'AgentDeregistered', data }]);
    }
  }
};

const steer = (command: Steering, agent: Registered, subject: Subject): Decision => {
  const { now } = command;
  switch (command.type) {
    case 'StartMaintenance':
      return agent.maintenance
        ? rejected({ reason: 'AgentAlreadyInMaintenance' })
        : ok([{ type: 'AgentMaintenanceStarted', data: { ...subject, startedAt: now, ...because(command.reason) } }]);
    case 'EndMaintenance':
      return agent.maintenance
        ? ok([{ type: 'AgentMaintenanceEnded', data: { ...subject, endedAt: now, ...because(command.reason) } }])
        : rejected({ reason: 'AgentNotInMaintenance' });
    case 'EndWarmUp':
      return agent.warming
        ? ok([{ type: 'AgentWarmUpEnded', data: { ...subject, by: command.by, endedAt: now } }])
        : ok([]);
  }
};

export const decideAgent = (command: AgentCommand, agent: Agent): Decision => {
  if (command.type === 'RegisterAgent') return register(command, agent);
  if (agent.status === 'none' || agent.status === 'deregistered') return rejected({ reason: 'AgentNotFound' });
  const subject = { agentId: agent.agentId, pool: agent.profile.pool };
  switch (command.type) {
    case 'UpdateAgent':
      return update(command, agent);
    case 'ChangeAgentHealth':
      return changeHealth(command, agent);
    case 'DrainAgent':
    case 'UndrainAgent':
    case 'DeregisterAgent':
      return leave(command, agent, subject);
    case 'StartMaintenance':
    case 'EndMaintenance':
    case 'EndWarmUp':
      return steer(command, agent, subject);
    default:
      return assertNever(command);
  }
};

/** Without the facts that do not hold. */
const withFacts = <State extends Agent>(agent: State, { maintenance, warming, silent }: Marks): State => ({
  ...agent,
  ...(maintenance ? { maintenance } : {}),
  ...(warming ? { warming } : {}),
  ...(silent ? { silent } : {}),
});
type Marks = { readonly [Mark in 'maintenance' | 'warming' | 'silent']?: true | undefined };

const evolveRegistered = (agent: Registered, event: Exclude<AgentEvent, { type: 'AgentRegistered' }>): Agent => {
  const { maintenance, warming, silent, ...rest } = agent;
  const marks = { maintenance, warming, silent };
  switch (event.type) {
    case 'AgentReconfigured': {
      const { agentId, reconfiguredAt: _, ...profile } = event.data;
      return { ...agent, agentId, profile };
    }
    case 'AgentHealthChanged':
      return withFacts({ ...rest, health: event.data.to }, { ...marks, silent: event.data.callsLost });
    case 'AgentWarmUpEnded':
      return withFacts(rest, { ...marks, warming: undefined });
    case 'AgentMaintenanceStarted':
      return withFacts(rest, { ...marks, maintenance: true });
    case 'AgentMaintenanceEnded':
      return withFacts(rest, { ...marks, maintenance: undefined });
    case 'AgentDrainStarted':
      return withFacts({ ...rest, status: 'draining' }, { ...marks, warming: undefined });
    case 'AgentDrainEnded':
      return { ...agent, status: 'active' };
    case 'AgentDeregistered':
      return withFacts({ status: 'deregistered', agentId: event.data.agentId }, { maintenance });
    default:
      return assertNever(event);
  }
};

export const evolveAgent = (agent: Agent, event: AgentEvent): Agent => {
  if (event.type === 'AgentRegistered') {
    const { agentId, registeredAt: _, maintenance, ...profile } = event.data;
    const warming = profile.warmUpMs === undefined ? undefined : true;
    return withFacts({ status: 'active', agentId, profile, health: 'healthy' }, { maintenance, warming });
  }
  if (agent.status === 'active' || agent.status === 'draining') return evolveRegistered(agent, event);
  return event.type === 'AgentDeregistered' ? { status: 'deregistered', agentId: event.data.agentId } : agent;
};

export const agentDecider: Decider<Agent, AgentCommand, AgentEvent, AgentRejection> = {
  initialState: initialAgent,
  decide: decideAgent,
  evolve: evolveAgent,
};
