import type { Decider } from '../decider.ts';
import { assertNever, ok, type Result, rejected } from '../result.ts';
import type { AgentCommand, ChangeAgentHealth, RegisterAgent, UpdateAgent } from './commands.ts';
import type { AgentEvent, AgentProfile, Health } from './events.ts';

/**
 * Lifecycle of an agent: `active` takes work, `draining` finishes what it holds, `deregistered` is out until it registers again.
 * Health is a separate fact: an unhealthy agent stays registered and gets no new work.
 */
export type Agent =
  | { readonly status: 'none' }
  | (Facts & { readonly status: 'active' | 'draining' })
  | { readonly status: 'deregistered'; readonly agentId: string };

type Facts = { readonly agentId: string; readonly profile: AgentProfile; readonly health: Health };

export type AgentRejection =
  | { readonly reason: 'AgentNotFound' }
  | { readonly reason: 'AgentAlreadyRegistered' }
  | { readonly reason: 'AgentIsDraining' }
  | { readonly reason: 'AgentAlreadyDraining' }
  | { readonly reason: 'AgentNotDraining' }
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
  if (agent.status === 'none' || agent.status === 'deregistered')
    return ok([{ type: 'AgentRegistered', data: { ...profile, agentId, registeredAt: now } }]);
  const same = sameProfile(agent.profile, profile);
  if (agent.status === 'active' && same) return ok([]);
  if (!command.replace) return rejected({ reason: same ? 'AgentIsDraining' : 'AgentAlreadyRegistered' });
  if (agent.profile.pool !== profile.pool) return rejected({ reason: 'AgentPoolIsFixed', pool: agent.profile.pool });
  return ok([{ type: 'AgentRegistered', data: { ...profile, agentId, registeredAt: now } }]);
};

const update = ({ changes, now }: UpdateAgent, agent: Registered): Decision => {
  const present = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  const profile = { ...agent.profile, ...present } as AgentProfile;
  if (sameProfile(agent.profile, profile)) return ok([]);
  return ok([{ type: 'AgentReconfigured', data: { ...profile, agentId: agent.agentId, reconfiguredAt: now } }]);
};

const lostCalls = (callsLost: true | undefined): { callsLost?: true } => (callsLost ? { callsLost } : {});

const changeHealth = ({ to, reason, callsLost, now }: ChangeAgentHealth, agent: Registered): Decision =>
  to === agent.health
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
      return agent.status === 'draining'
        ? rejected({ reason: 'AgentAlreadyDraining' })
        : ok([{ type: 'AgentDrainStarted', data: { ...subject, startedAt: command.now, ...because(command.reason) } }]);
    case 'UndrainAgent':
      return agent.status === 'active'
        ? rejected({ reason: 'AgentNotDraining' })
        : ok([{ type: 'AgentDrainEnded', data: { ...subject, endedAt: command.now, ...because(command.reason) } }]);
    case 'DeregisterAgent':
      return ok([
        {
          type: 'AgentDeregistered',
          data: {
            ...subject,
            deregisteredAt: command.now,
            ...because(command.reason),
            ...lostCalls(command.callsLost),
          },
        },
      ]);
    default:
      return assertNever(command);
  }
};

export const evolveAgent = (agent: Agent, event: AgentEvent): Agent => {
  switch (event.type) {
    case 'AgentRegistered': {
      const { agentId, registeredAt: _, ...profile } = event.data;
      return { status: 'active', agentId, profile, health: 'healthy' };
    }
    case 'AgentReconfigured': {
      const { agentId, reconfiguredAt: _, ...profile } = event.data;
      return agent.status === 'active' || agent.status === 'draining' ? { ...agent, agentId, profile } : agent;
    }
    case 'AgentHealthChanged':
      return agent.status === 'active' || agent.status === 'draining' ? { ...agent, health: event.data.to } : agent;
    case 'AgentDrainStarted':
      return agent.status === 'active' ? { ...agent, status: 'draining' } : agent;
    case 'AgentDrainEnded':
      return agent.status === 'draining' ? { ...agent, status: 'active' } : agent;
    case 'AgentDeregistered':
      return { status: 'deregistered', agentId: event.data.agentId };
    default:
      return assertNever(event);
  }
};

export const agentDecider: Decider<Agent, AgentCommand, AgentEvent, AgentRejection> = {
  initialState: initialAgent,
  decide: decideAgent,
  evolve: evolveAgent,
};
