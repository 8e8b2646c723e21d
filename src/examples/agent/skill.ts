import type { z } from 'zod';

/** The agent says no for good: the input is wrong, and would be wrong the next time. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export type Skill = {
  readonly id: string;
  readonly description: string;
  /** Errors: throws `Refusal`. */
  readonly run: (input: unknown, agent: string) => unknown;
};

/** Errors: throws `Refusal` with the first issue. */
export const parseInput = <Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> => {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Refusal('BAD_INPUT', `/${issue?.path.join('/') ?? ''}: ${issue?.message ?? 'unusable'}`);
};
