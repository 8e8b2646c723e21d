import { z } from 'zod';

/** An amount in millionths of the currency's unit, so that a cheap call still has a whole number. */
export const Money = z.strictObject({
  currency: z.string().regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code'),
  micros: z.int().min(0),
});
export type Money = z.output<typeof Money>;
