import { AgentError } from 'baton-agent-sdk';
import type { z } from 'zod';

/** What a skill receives in addition to its input. */
export type Call = {
  /** Name of the called agent. */
  readonly agent: string;
  /** The same in every attempt of a task; undefined when the caller is not Baton. */
  readonly effectKey: string | undefined;
};

export type Skill = {
  readonly id: string;
  readonly description: string;
  /** Errors: throws `AgentError`. */
  readonly run: (input: unknown, call: Call) => unknown;
};

/** Errors: throws `AgentError` with the first issue. */
export const parseInput = <Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> => {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new AgentError('BAD_INPUT', `/${issue?.path.join('/') ?? ''}: ${issue?.message ?? 'unusable'}`);
};
