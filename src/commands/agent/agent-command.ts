import type { AgentCommand } from '../../domain/agent/commands.ts';
import type { AgentRejection } from '../../domain/agent/decider.ts';
import { AgentId, agentStream } from '../../domain/ids.ts';
import { ok, type Result } from '../../domain/result.ts';
import { notFound } from '../../platform/errors.ts';
import { type Accepted, type Caller, type Commands, contextOf } from '../context.ts';

/**
 * Runs a command of an agent.
 *
 * Errors: `AppError` `NOT_FOUND` when the command needs a registered agent and there is none (also for a malformed id).
 */
export const executeAgentCommand = async (
  commands: Commands,
  caller: Caller,
  agentId: string,
  body: unknown,
  toCommand: (now: string) => AgentCommand,
): Promise<Result<Accepted, AgentRejection>> => {
  if (!AgentId.safeParse(agentId).success) throw notFound('agent', JSON.stringify(agentId));
  const now = new Date(commands.clock.now()).toISOString();
  const command = toCommand(now);
  const context = contextOf(commands, caller, `${command.type}/${agentId}`, body);
  const result = await commands.agents.execute({
    stream: agentStream(caller.tenant, agentId),
    command,
    context,
    at: now,
  });
  if (!result.ok && result.rejection.reason === 'AgentNotFound') throw notFound('agent', agentId);
  if (!result.ok) return result;
  const { position, repeated, events } = result.value;
  if (position === undefined) throw notFound('agent', agentId);
  return ok({ id: agentId, position, repeated: repeated || events.length === 0 });
};
