import { z } from 'zod';

/** The content of the files that the steps share. */

export const Activity = z.object({
  suppliers: z.array(z.object({ supplier: z.string(), country: z.string(), kWh: z.number() })).min(1),
});
export type Activity = z.output<typeof Activity>;

export const Footprint = z.object({
  source: z.string(),
  tonnesCO2e: z.number(),
  suppliers: z
    .array(
      z.object({
        supplier: z.string(),
        country: z.string(),
        kWh: z.number(),
        gCO2PerKWh: z.number(),
        tonnesCO2e: z.number(),
      }),
    )
    .min(1),
});
export type Footprint = z.output<typeof Footprint>;

/** Adds whole grams, so that the sum does not depend on the order. */
export const sumOfTonnes = (lines: readonly { readonly tonnesCO2e: number }[]): number =>
  lines.reduce((grams, { tonnesCO2e }) => grams + Math.round(tonnesCO2e * 1e6), 0) / 1e6;
