import { msBetween } from '../instant.ts';
import { histogramOf } from './histogram.ts';
import type { TaskStatsRow } from './table.ts';

type Subject = { readonly tenant: string; readonly capability: string };

const nothing = ({ tenant, capability }: Subject, at: string): TaskStatsRow => ({
  tenant,
  minute: `${at.slice(0, 16)}:00.000Z`,
  capability,
  submitted: 0,
  completed: 0,
  failedAttempts: 0,
  deadLettered: 0,
  failed: 0,
  cancelled: 0,
  durationSumUs: 0,
  durationMinUs: null,
  durationMaxUs: null,
  durationHistogram: [],
  endToEndSumUs: 0,
  endToEndMinUs: null,
  endToEndMaxUs: null,
  endToEndHistogram: [],
});

/** What one event adds to the sums of its minute. */
export const counted = (
  subject: Subject,
  at: string,
  what: 'submitted' | 'failedAttempts' | 'deadLettered' | 'failed' | 'cancelled',
): TaskStatsRow => ({ ...nothing(subject, at), [what]: 1 });

export const completion = (
  subject: Subject & { readonly submittedAt: string },
  at: string,
  durationMs: number,
): TaskStatsRow => {
  const durationUs = Math.round(durationMs * 1000);
  const endToEndUs = msBetween(subject.submittedAt, at) * 1000;
  return {
    ...nothing(subject, at),
    completed: 1,
    durationSumUs: durationUs,
    durationMinUs: durationUs,
    durationMaxUs: durationUs,
    durationHistogram: histogramOf(durationUs),
    endToEndSumUs: endToEndUs,
    endToEndMinUs: endToEndUs,
    endToEndMaxUs: endToEndUs,
    endToEndHistogram: histogramOf(endToEndUs),
  };
};
