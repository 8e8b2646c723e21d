import type { AgentEvent, Transport } from '../agent/events.ts';
import type { Candidate } from '../routing/candidate.ts';
import { type AgentState, AVAILABILITY, firstRule } from '../routing/eligibility.ts';
import type { Exclusion } from './events.ts';

/** What is known of an agent of the pool. */
export type AgentEntry = {
  -readonly [Fact in keyof Candidate]: Candidate[Fact];
} & { -readonly [Fact in keyof AgentState]: AgentState[Fact] } & {
  readonly agentId: string;
  transport: Transport['kind'];
  deregistered: boolean;
};

export type Profile = Extract<AgentEvent, { type: 'AgentRegistered' | 'AgentReconfigured' }>['data'];

export const profileFacts = ({ capabilities, maxConcurrency, transport, weight, costFactor }: Profile) => ({
  capabilities,
  maxConcurrency,
  transport: transport.kind,
  weight,
  costFactor,
});

/** Where an agent stands in the indexes: what decides whether it gets work, and first or only when no better one is free. */
export type Standing = {
  readonly unavailable: Exclusion | undefined;
  readonly degraded: boolean;
  readonly open: number;
};

export const standingOf = (agent: AgentEntry): Standing => ({
  unavailable: firstRule(AVAILABILITY, agent, undefined)?.name,
  degraded: agent.health === 'degraded',
  open: agent.open,
});
