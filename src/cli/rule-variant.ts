import { InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { StrategyName } from '../domain/routing/strategies.ts';
import { json } from './parse.ts';

/** Of the right shape: what the values mean is checked by the server. */
const Variant = z.strictObject({
  name: z.string(),
  percent: z.number(),
  strategy: z.string().toLowerCase().pipe(StrategyName).optional(),
  targets: z.array(z.string()).optional(),
  versionRange: z.string().optional(),
});
export type VariantOption = z.output<typeof Variant>;

/** `{"name":"v2","percent":10,"versionRange":"^2.0.0"}`. */
export const variant = (text: string): VariantOption => {
  const parsed = Variant.safeParse(json(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new InvalidArgumentError(`${issue?.path.join('/') || 'variant'}: ${issue?.message}.`);
};
