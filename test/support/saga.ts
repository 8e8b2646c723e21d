import type { Caller, Commands } from '../../src/commands/context.ts';
import { startExecution } from '../../src/commands/execution/start-execution.ts';
import { completeAttempt, failAttempt } from '../../src/commands/task/close-attempt.ts';
import { publishWorkflow } from '../../src/commands/workflow/publish-workflow.ts';
import type { Running } from '../../src/domain/execution/state.ts';
import { executionStream } from '../../src/domain/ids.ts';
import type { Json } from '../../src/domain/json.ts';
import type { Result } from '../../src/domain/result.ts';

const dispatcher: Caller = { tenant: 'default', actor: 'dispatcher' };
export const BROKEN = { code: 'BOOM', message: 'it broke', source: 'agent', retryable: false } as const;

/** A trip that is booked step by step, and compensated when a step fails. */
export const TRIP = {
  name: 'trip',
  version: '1.0.0',
  description: 'books a trip',
  pattern: 'saga',
  tags: ['travel'],
  agents: { booker: { capability: 'book' }, canceller: { capability: 'cancel' } },
  tasks: [
    { id: 'flight', role: 'booker', estimateMs: 30, compensation: { role: 'canceller' } },
    { id: 'hotel', role: 'booker', estimateMs: 10, compensation: { role: 'canceller' } },
    { id: 'mail', capability: 'mail', dependsOn: ['flight', 'hotel'] },
  ],
} as const;

export const accepted = <Value>(result: Result<Value, { readonly reason: string }>): Value => {
  if (!result.ok) throw new Error(`rejected: ${JSON.stringify(result.rejection)}`);
  return result.value;
};

/** Works for executions as their agents would, in the order that a test asks for. */
export const workingFor = (commands: Commands) => {
  const stateOf = async (executionId: string): Promise<Running> => {
    const state = await commands.executions.load(executionStream('default', executionId), { fresh: true });
    if (state.status === 'none') throw new Error(`no execution ${executionId}`);
    return state;
  };
  /** The present task of a unit: `flight`, `resize[1]`, `~flight`. */
  const taskIdOf = async (executionId: string, unit: string): Promise<string> => {
    const { unitOf } = await stateOf(executionId);
    const found = [...unitOf].filter(([, key]) => key === unit).at(-1);
    if (!found) throw new Error(`${unit} has no task`);
    return found[0];
  };
  const attemptOf = async (executionId: string, unit: string, attempt: number) => ({
    taskId: await taskIdOf(executionId, unit),
    executionId,
    attempt,
    agentId: 'agent-1',
  });
  return {
    stateOf,
    taskIdOf,
    publish: async (definition: object) =>
      accepted(await publishWorkflow(commands, { tenant: 'default', actor: 'author' }, definition)),
    start: async (input: object) =>
      accepted(await startExecution(commands, { tenant: 'default', actor: 'starter' }, input)).id,
    complete: async (executionId: string, unit: string, result: Json = { done: unit }, attempt = 1) =>
      accepted(
        await completeAttempt(commands, dispatcher, await attemptOf(executionId, unit, attempt), {
          result,
          durationMs: 5,
        }),
      ).position,
    fail: async (
      executionId: string,
      unit: string,
      error: Parameters<typeof failAttempt>[3]['error'] = BROKEN,
      attempt = 1,
    ) =>
      accepted(
        await failAttempt(commands, dispatcher, await attemptOf(executionId, unit, attempt), { error, durationMs: 5 }),
      ).position,
  };
};
