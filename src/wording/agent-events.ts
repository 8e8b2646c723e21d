import type { AgentEvent } from '../domain/agent/events.ts';
import { because } from './sentences.ts';

type Data<Type extends AgentEvent['type']> = Extract<AgentEvent, { type: Type }>['data'];

/** One sentence per event of an agent, for people. */
const SUMMARIES: { readonly [Type in AgentEvent['type']]: (data: Data<Type>) => string } = {
  AgentRegistered: ({ pool, maxConcurrency }) => `registered in pool ${pool}, at most ${maxConcurrency} at once`,
  AgentReconfigured: () => 'profile changed',
  AgentHealthChanged: ({ from, to, reason }) => `${from} to ${to}: ${reason}`,
  AgentWarmUpEnded: ({ by }) => (by === 'agent' ? 'ready for work' : 'its time to warm up is over: it gets work'),
  AgentMaintenanceStarted: ({ reason }) => `under maintenance${because(reason)}`,
  AgentMaintenanceEnded: ({ reason }) => `no longer under maintenance${because(reason)}`,
  AgentDrainStarted: ({ reason, limitMs }) =>
    `draining${limitMs === undefined ? '' : `, for at most ${limitMs / 1_000} s`}${because(reason)}`,
  AgentDrainEnded: ({ reason }) => `takes work again${because(reason)}`,
  AgentDeregistered: ({ reason }) => `deregistered${because(reason)}`,
};

export const isAgentEvent = (event: { readonly type: string }): event is AgentEvent =>
  Object.hasOwn(SUMMARIES, event.type);

export const summaryOfAgentEvent = (event: AgentEvent): string =>
  (SUMMARIES[event.type] as (data: AgentEvent['data']) => string)(event.data);
