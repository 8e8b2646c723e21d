import { z } from 'zod';
import type { Result } from '../domain/result.ts';
import type { Position } from '../eventstore/event-store.ts';
import { AppError, type ErrorCode, type InputIssue, MAX_ISSUES } from '../platform/errors.ts';
import { type Accepted, type Caller, checkKey, parseInput } from './context.ts';

/** Outcome of one item of a bulk command, in the order of the request. */
export type BulkItem<Reason extends string> =
  | { readonly index: number; readonly ok: true; readonly accepted: Accepted }
  | {
      readonly index: number;
      readonly ok: false;
      readonly code: ErrorCode | Reason;
      readonly message: string;
      readonly issues: readonly InputIssue[];
    };

/** Of the last accepted item; null when none was. */
export const lastPosition = (items: readonly BulkItem<string>[]): Position | null =>
  items.reduce<Position | null>(
    (max, item) => (item.ok && (max === null || item.accepted.position > max) ? item.accepted.position : max),
    null,
  );

/** A call that names a key may be repeated as a whole: its items are distinguished by their index. */
const keyOfItem = ({ idempotencyKey }: Caller, index: number): string | undefined =>
  idempotencyKey === undefined ? undefined : `${idempotencyKey}/${index}`;

const Keyed = z.looseObject({ idempotencyKey: z.string().optional() });

type Parsed<Body> = { readonly idempotencyKey?: string | undefined; readonly body: Body };

/**
 * The items one after the other. What is wrong with the first bad ones is described in full, of the others only the first mistake: the
 * answer to a list full of mistakes stays small.
 */
const parseItems = <Schema extends z.ZodType>(
  schema: Schema,
  items: readonly unknown[],
): (Parsed<z.output<Schema>> | AppError)[] => {
  let issuesLeft = MAX_ISSUES;
  return items.map((item) => {
    try {
      const { idempotencyKey, ...input } = parseInput(Keyed, item);
      if (idempotencyKey !== undefined) checkKey(idempotencyKey);
      return { idempotencyKey, body: parseInput(schema, input, { most: Math.max(1, issuesLeft) }) };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const { code, message, issues } = error;
      const reported = issues.slice(0, Math.max(0, issuesLeft));
      issuesLeft -= reported.length;
      return new AppError(code, message, { issues: reported });
    }
  });
};

type Bulk<Schema extends z.ZodType, Rejection> = {
  readonly schema: Schema;
  /** Items under way at a time. Default: all. */
  readonly atOnce?: number;
  readonly perform: (caller: Caller, body: z.output<Schema>) => Promise<Result<Accepted, Rejection>>;
};

/**
 * Performs a command for each item; each succeeds or fails on its own. An item may carry its own idempotency key; without one it is covered
 * by the call's. All bad items together report at most `MAX_ISSUES` issues.
 *
 * Errors: `AppError` `BAD_USER_INPUT` when the call's key is unusable.
 */
export const performAll = <Schema extends z.ZodType, Rejection extends { readonly reason: string }>(
  caller: Caller,
  items: readonly unknown[],
  { schema, atOnce = items.length, perform }: Bulk<Schema, Rejection>,
): Promise<BulkItem<Rejection['reason']>[]> => {
  const lastKey = keyOfItem(caller, items.length - 1);
  if (lastKey !== undefined) checkKey(lastKey);
  const parsed = parseItems(schema, items);
  const outcomes: BulkItem<Rejection['reason']>[] = [];
  const performOne = async (item: (typeof parsed)[number], index: number): Promise<BulkItem<Rejection['reason']>> => {
    try {
      if (item instanceof AppError) throw item;
      const { idempotencyKey = keyOfItem(caller, index), body } = item;
      const result = await perform({ ...caller, idempotencyKey }, body);
      if (result.ok) return { index, ok: true, accepted: result.value };
      const { reason } = result.rejection;
      return { index, ok: false, code: reason, message: reason, issues: [] };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return { index, ok: false, code: error.code, message: error.message, issues: error.issues };
    }
  };
  const waiting = parsed.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of waiting) outcomes[index] = await performOne(item, index);
  };
  return Promise.all(Array.from({ length: atOnce }, worker)).then(() => outcomes);
};
