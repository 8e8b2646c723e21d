import { z } from 'zod';

export const RuleName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, 'must match ^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$');

/** The rule that decided how a task is routed, as it was then. */
export const RuleRef = z.strictObject({
  name: RuleName,
  version: z.int().min(1),
  /** The part of its tasks that this one belongs to; absent for those that are left to the rule itself. */
  variant: RuleName.optional(),
});
export type RuleRef = z.output<typeof RuleRef>;
