import { z } from 'zod';
import { type BulkItem, lastPosition } from '../../commands/bulk.ts';
import type { Accepted } from '../../commands/context.ts';
import { PositionText } from '../edge/query-string.ts';
import { Issue } from './operation.ts';

/** The schema of the answer to a command for many items. `subject` is one of them. */
export const bulkAnswerOf = <Schema extends z.ZodObject>(accepted: Schema, subject: string) =>
  z.strictObject({
    items: z.array(
      z.strictObject({
        index: z.int().min(0),
        accepted: accepted.optional(),
        error: z.strictObject({ code: z.string(), message: z.string(), issues: z.array(Issue) }).optional(),
      }),
    ),
    acceptedCount: z.int().min(0),
    position: PositionText.optional().meta({ description: `Of the last accepted ${subject}.` }),
  });

export const bulkAnswer = (items: readonly BulkItem<string>[], acceptedOf: (accepted: Accepted) => object) => {
  const position = lastPosition(items);
  return {
    items: items.map((item) => {
      const { index } = item;
      if (item.ok) return { index, accepted: acceptedOf(item.accepted) };
      const { code, message, issues } = item;
      return { index, error: { code, message, issues: [...issues] } };
    }),
    acceptedCount: items.filter(({ ok }) => ok).length,
    ...(position === null ? {} : { position: String(position) }),
  };
};
