import type { z } from 'zod';
import type { SubmitTaskInput } from '../../../domain/task/commands.ts';
import type { Builder } from '../kit/builder.ts';
import { withoutNulls } from '../kit/command-field.ts';
import type { Enums } from '../kit/enums.ts';

export const addTaskInputs = (builder: Builder, enums: Enums) => {
  const RetryPolicyInput = builder.inputType('RetryPolicyInput', {
    description:
      'When a failed attempt is tried again. Delays in milliseconds; the n-th delay is capped at `maxDelayMs`.',
    fields: (t) => ({
      kind: t.field({ type: enums.RetryKind }),
      maxAttempts: t.int({ description: '1 to 100; 3 when absent.' }),
      baseMs: t.int(),
      factor: t.float({ description: '1 to 10, for EXPONENTIAL.' }),
      maxDelayMs: t.int(),
      jitter: t.float({ description: '0 to 1: the share of the delay that is random.' }),
    }),
  });
  const SubmitTaskInput = builder.inputType('SubmitTaskInput', {
    fields: (t) => ({
      capability: t.string({ required: true, description: 'What an agent must offer to take the task.' }),
      versionRange: t.string({ description: "Semver range for the capability's version; any when absent." }),
      input: t.field({ type: 'JSON', description: 'Input for the agent: at most 256 KiB and 64 levels.' }),
      pool: t.string({ description: 'Pool of agents; `default` when absent.' }),
      priority: t.int({ description: '1 critical, 2 high, 3 normal (when absent), 4 low, 5 background.' }),
      strategy: t.field({
        type: enums.RoutingStrategy,
        description: 'How its agents are chosen. When absent as a routing rule says, else LEAST_LOADED.',
      }),
      affinityKey: t.string({
        description:
          'For AFFINITY and CONSISTENT_HASH: tasks with the same key belong together. When absent, those of one submitter do.',
      }),
      specialisation: t.string({
        description: 'For CONTENT_BASED: the kind of the work; the `task_type` or `taskType` of the input when absent.',
      }),
      targets: t.stringList({
        description: 'For FAILOVER: at most 20 agents, in the order in which they are to be tried.',
      }),
      retry: t.field({ type: RetryPolicyInput }),
      timeoutMs: t.int({
        description: 'Limit of one attempt from its assignment; when absent 300000 · complexity, at most 3600000.',
      }),
      complexity: t.float({ description: 'How much work it is: 0.01 to 1000; 1 when absent.' }),
      dependsOn: t.idList({
        description:
          'At most 20 tasks that must complete before an agent gets it. It is cancelled when one of them is cancelled.',
      }),
      deadlineAt: t.field({
        type: 'DateTime',
        description: 'The task is dead-lettered if it has not completed by then.',
      }),
      tags: t.stringList({ description: 'At most 20.' }),
    }),
  });
  const SubmitTasksItemInput = builder.inputType('SubmitTasksItemInput', {
    fields: (t) => ({
      idempotencyKey: t.string(),
      task: t.field({ type: SubmitTaskInput, required: true }),
    }),
  });
  return { SubmitTaskInput, SubmitTasksItemInput };
};

export type TaskInputs = ReturnType<typeof addTaskInputs>;
type SubmitTaskArgument = TaskInputs['SubmitTaskInput']['$inferInput'];

/** Checks at compile time that the API's input and the command's schema describe the same thing. */
export const submitBody = (input: SubmitTaskArgument) => withoutNulls(input) satisfies z.input<typeof SubmitTaskInput>;
