import { deregisterAgent } from '../../../commands/agent/deregister-agent.ts';
import { drainAgent } from '../../../commands/agent/drain-agent.ts';
import { registerAgent } from '../../../commands/agent/register-agent.ts';
import { undrainAgent } from '../../../commands/agent/undrain-agent.ts';
import { updateAgent } from '../../../commands/agent/update-agent.ts';
import type { Accepted as AcceptedCommand } from '../../../commands/context.ts';
import type { AgentRejection } from '../../../domain/agent/decider.ts';
import { AGENT_REASONS } from '../../../wording/rejections.ts';
import type { Builder } from '../kit/builder.ts';
import { atPointer, callerFor, KEY, withoutNulls } from '../kit/command-field.ts';
import type { ErrorTypes } from '../kit/error-types.ts';
import { addOutcome } from '../kit/outcome.ts';
import { addBulkRegistration } from './bulk.ts';
import { type AgentInputs, registerBody, updateBody } from './inputs.ts';
import type { AgentTypes } from './types.ts';

const addAgentOutcome = (builder: Builder, { Agent, loadAgent }: AgentTypes) =>
  addOutcome<AcceptedCommand, AgentRejection>(builder, {
    subject: 'Agent',
    recorded: 'if_changed',
    accepted: (t) => ({
      agentId: t.id({ resolve: ({ id }) => id }),
      agent: t.field({
        type: Agent,
        nullable: true,
        description: 'The agent with the effect of this command; waits for it.',
        resolve: ({ id, position }, _, context) => loadAgent(context, id, position),
      }),
    }),
    reasons: AGENT_REASONS,
    facts: { pool: { from: 'pool', type: 'String' } },
  });

export const addAgentCommands = (
  builder: Builder,
  inputs: AgentInputs,
  types: AgentTypes,
  errors: ErrorTypes,
): void => {
  const { payload, outcomeOf, Accepted } = addAgentOutcome(builder, types);
  addBulkRegistration(builder, inputs, errors, Accepted);
  builder.mutationFields((t) => {
    const idempotencyKey = t.arg.string(KEY);
    const agentId = t.arg.id({ required: true });
    const leaving = { agentId, reason: t.arg.string(), idempotencyKey };
    return {
      registerAgent: t.field({
        type: payload('RegisterAgentPayload'),
        args: { input: t.arg({ type: inputs.RegisterAgentInput, required: true }), idempotencyKey },
        resolve: async (_, { input, ...args }, context, info) =>
          outcomeOf(
            await atPointer('/input', () =>
              registerAgent(context.commands, callerFor(context, args, info), registerBody(input)),
            ),
          ),
      }),
      updateAgent: t.field({
        type: payload('UpdateAgentPayload'),
        args: { agentId, input: t.arg({ type: inputs.UpdateAgentInput, required: true }), idempotencyKey },
        resolve: async (_, { input, ...args }, context, info) =>
          outcomeOf(
            await atPointer('/input', () =>
              updateAgent(context.commands, callerFor(context, args, info), args.agentId, updateBody(input)),
            ),
          ),
      }),
      drainAgent: t.field({
        type: payload('DrainAgentPayload'),
        description: 'Gives the agent no new work; it finishes what it holds.',
        args: leaving,
        resolve: async (_, { reason, ...args }, context, info) =>
          outcomeOf(
            await drainAgent(context.commands, callerFor(context, args, info), args.agentId, withoutNulls({ reason })),
          ),
      }),
      undrainAgent: t.field({
        type: payload('UndrainAgentPayload'),
        description: 'Gives an agent that drains new work again.',
        args: leaving,
        resolve: async (_, { reason, ...args }, context, info) =>
          outcomeOf(
            await undrainAgent(
              context.commands,
              callerFor(context, args, info),
              args.agentId,
              withoutNulls({ reason }),
            ),
          ),
      }),
      deregisterAgent: t.field({
        type: payload('DeregisterAgentPayload'),
        description: 'Takes the agent out of its pool. Its open attempts may still end; it may register again.',
        args: leaving,
        resolve: async (_, { reason, ...args }, context, info) =>
          outcomeOf(
            await deregisterAgent(
              context.commands,
              callerFor(context, args, info),
              args.agentId,
              withoutNulls({ reason }),
            ),
          ),
      }),
    };
  });
};
