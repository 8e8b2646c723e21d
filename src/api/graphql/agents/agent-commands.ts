import type { z } from 'zod';
import { deregisterAgent } from '../../../commands/agent/deregister-agent.ts';
import { drainAgent } from '../../../commands/agent/drain-agent.ts';
import { registerAgent } from '../../../commands/agent/register-agent.ts';
import { updateAgent } from '../../../commands/agent/update-agent.ts';
import type { Accepted } from '../../../commands/context.ts';
import type { RegisterAgentInput, UpdateAgentInput } from '../../../domain/agent/commands.ts';
import type { AgentRejection } from '../../../domain/agent/decider.ts';
import type { Result } from '../../../domain/result.ts';
import { AGENT_REASONS, messageIn, reasonsIn } from '../../../wording/rejections.ts';
import type { Builder } from '../kit/builder.ts';
import { callerFor, under, withoutNulls } from '../kit/command-field.ts';
import type { Enums } from '../kit/enums.ts';
import type { AgentTypes } from './agents.ts';

type AgentAccepted = { readonly kind: 'accepted' } & Accepted;
type AgentRejected = { readonly kind: 'rejected'; readonly rejection: AgentRejection };
type Payload = AgentAccepted | AgentRejected;

const payloadOf = (result: Result<Accepted, AgentRejection>): Payload =>
  result.ok ? { kind: 'accepted', ...result.value } : { kind: 'rejected', rejection: result.rejection };

const addPayloads = (builder: Builder, { Agent, loadAgent }: AgentTypes) => {
  const AgentRejectionReason = builder.enumType('AgentRejectionReason', { values: reasonsIn(AGENT_REASONS) });
  const AgentAccepted = builder.objectRef<AgentAccepted>('AgentAccepted').implement({
    description: 'The command was recorded, or there was nothing to change.',
    fields: (t) => ({
      agentId: t.exposeID('id'),
      position: t.expose('position', {
        type: 'Position',
        description: 'Pass it as `atLeast` to a query to see the effect of this command.',
      }),
      repeated: t.exposeBoolean('repeated', { description: 'Nothing was recorded now: it had been done before.' }),
      agent: t.field({
        type: Agent,
        nullable: true,
        description: 'The agent with the effect of this command; waits for it.',
        resolve: (accepted, _, context) => loadAgent(context, accepted.id, accepted.position),
      }),
    }),
  });
  const AgentRejected = builder.objectRef<AgentRejected>('AgentRejected').implement({
    description: 'The command was refused; nothing was recorded.',
    fields: (t) => ({
      reason: t.field({ type: AgentRejectionReason, resolve: ({ rejection }) => rejection.reason }),
      message: t.string({ resolve: ({ rejection }) => messageIn(AGENT_REASONS, rejection) }),
      pool: t.string({
        nullable: true,
        resolve: ({ rejection }) => (rejection.reason === 'AgentPoolIsFixed' ? rejection.pool : null),
      }),
    }),
  });
  return (name: string) =>
    builder.unionType(name, {
      types: [AgentAccepted, AgentRejected],
      resolveType: (value) => ((value as Payload).kind === 'accepted' ? AgentAccepted : AgentRejected),
    });
};

const addInputs = (builder: Builder, enums: Enums) => {
  const MoneyInput = builder.inputType('MoneyInput', {
    fields: (t) => ({
      currency: t.string({ required: true, description: 'ISO 4217.' }),
      micros: t.field({ type: 'SafeInt', required: true, description: "Millionths of the currency's unit." }),
    }),
  });
  const CapabilityInput = builder.inputType('CapabilityInput', {
    fields: (t) => ({
      name: t.string({ required: true }),
      version: t.string({ description: 'Semver; 1.0.0 when absent.' }),
    }),
  });
  const RegisterAgentInput = builder.inputType('RegisterAgentInput', {
    fields: (t) => ({
      agentId: t.string({ required: true, description: 'Yours to choose.' }),
      pool: t.string({ description: '`default` when absent. Fixed while the agent is registered.' }),
      name: t.string(),
      description: t.string(),
      capabilities: t.field({
        type: [CapabilityInput],
        description: "When absent: the skills of the agent's card, version 1.0.0.",
      }),
      cardUrl: t.string({
        description:
          'Address of the agent card, or of the server that has it at /.well-known/agent-card.json. Without one the agent is local: a function in a dispatcher.',
      }),
      maxConcurrency: t.int({ description: 'Attempts it may hold at once; 10 when absent.' }),
      delivery: t.field({ type: enums.Delivery, description: 'AT_LEAST_ONCE when absent.' }),
      heartbeatIntervalMs: t.int({
        description: 'Set it when the agent sends heartbeats; it is then unhealthy when they stay away.',
      }),
      costPerCall: t.field({ type: MoneyInput }),
      labels: t.field({ type: 'JSON', description: 'Name to text.' }),
      replace: t.boolean({ description: 'Replace the profile when the agent is registered already.' }),
    }),
  });
  const UpdateAgentInput = builder.inputType('UpdateAgentInput', {
    description: 'Fields that are absent stay as they are.',
    fields: (t) => ({
      name: t.string(),
      description: t.string(),
      capabilities: t.field({ type: [CapabilityInput] }),
      maxConcurrency: t.int(),
      heartbeatIntervalMs: t.int(),
      costPerCall: t.field({ type: MoneyInput }),
      labels: t.field({ type: 'JSON' }),
    }),
  });
  return { RegisterAgentInput, UpdateAgentInput };
};

type Inputs = ReturnType<typeof addInputs>;

/** Labels are any JSON to GraphQL; that they are texts is for the command's schema to say. */
type Labelled<Input extends { labels?: unknown }> = Omit<Input, 'labels'> & { labels?: never };

const registerBody = (input: Inputs['RegisterAgentInput']['$inferInput']) =>
  withoutNulls(input) as Labelled<ReturnType<typeof withoutNulls<typeof input>>> satisfies z.input<
    typeof RegisterAgentInput
  >;

const updateBody = (input: Inputs['UpdateAgentInput']['$inferInput']) =>
  withoutNulls(input) as Labelled<ReturnType<typeof withoutNulls<typeof input>>> satisfies z.input<
    typeof UpdateAgentInput
  >;

export const addAgentCommands = (builder: Builder, enums: Enums, types: AgentTypes): void => {
  const payload = addPayloads(builder, types);
  const inputs = addInputs(builder, enums);
  builder.mutationFields((t) => {
    const key = t.arg.string({ description: 'The same key and input give the same outcome.' });
    const agentId = t.arg.id({ required: true });
    return {
      registerAgent: t.field({
        type: payload('RegisterAgentPayload'),
        args: { input: t.arg({ type: inputs.RegisterAgentInput, required: true }), idempotencyKey: key },
        resolve: async (_, { input, idempotencyKey }, context, info) =>
          payloadOf(
            await under('/input', () =>
              registerAgent(context.commands, callerFor(context, idempotencyKey, info), registerBody(input)),
            ),
          ),
      }),
      updateAgent: t.field({
        type: payload('UpdateAgentPayload'),
        args: {
          agentId,
          input: t.arg({ type: inputs.UpdateAgentInput, required: true }),
          idempotencyKey: key,
        },
        resolve: async (_, { agentId: id, input, idempotencyKey }, context, info) =>
          payloadOf(
            await under('/input', () =>
              updateAgent(context.commands, callerFor(context, idempotencyKey, info), id, updateBody(input)),
            ),
          ),
      }),
      drainAgent: t.field({
        type: payload('DrainAgentPayload'),
        description: 'Gives the agent no new work; what it holds may finish.',
        args: { agentId, reason: t.arg.string(), idempotencyKey: key },
        resolve: async (_, { agentId: id, reason, idempotencyKey }, context, info) =>
          payloadOf(
            await drainAgent(context.commands, callerFor(context, idempotencyKey, info), id, withoutNulls({ reason })),
          ),
      }),
      deregisterAgent: t.field({
        type: payload('DeregisterAgentPayload'),
        description: 'Takes the agent out of its pool. Attempts it holds may still close; it may register again.',
        args: { agentId, reason: t.arg.string(), idempotencyKey: key },
        resolve: async (_, { agentId: id, reason, idempotencyKey }, context, info) =>
          payloadOf(
            await deregisterAgent(
              context.commands,
              callerFor(context, idempotencyKey, info),
              id,
              withoutNulls({ reason }),
            ),
          ),
      }),
    };
  });
};
