import type { ObjectRef } from '@pothos/core';
import { type BulkItem, lastPosition } from '../../../commands/bulk.ts';
import type { Accepted as AcceptedCommand } from '../../../commands/context.ts';
import type { Builder, SchemaTypes } from './builder.ts';
import type { ErrorTypes } from './error-types.ts';
import type { Accepted } from './outcome.ts';

type BulkOptions = {
  /** `SubmitTasks` gives `SubmitTasksItem`, `SubmitTasksItemError` and `SubmitTasksPayload`. */
  readonly name: string;
  /** One of them, for descriptions. */
  readonly subject: string;
  readonly Accepted: ObjectRef<SchemaTypes, Accepted<AcceptedCommand>>;
};

/** The answer to a mutation of many items: what became of each. */
export const addBulkPayload = <Reason extends string>(
  builder: Builder,
  { InputIssue }: ErrorTypes,
  { name, subject, Accepted }: BulkOptions,
) => {
  type Item = BulkItem<Reason>;
  type Failed = Extract<Item, { ok: false }>;
  const ItemError = builder.objectRef<Failed>(`${name}ItemError`).implement({
    fields: (t) => ({
      code: t.string({
        description: 'An error code as in `extensions.code`, or the reason of a rejection.',
        resolve: ({ code }) => code,
      }),
      message: t.string({ resolve: ({ message }) => message }),
      issues: t.field({ type: [InputIssue], resolve: (failed) => failed.issues }),
    }),
  });
  const PayloadItem = builder.objectRef<Item>(`${name}Item`).implement({
    description: `Outcome of one ${subject} of the list: exactly one of \`accepted\` and \`error\` is set.`,
    fields: (t) => ({
      index: t.int({ resolve: ({ index }) => index }),
      accepted: t.field({
        type: Accepted,
        nullable: true,
        resolve: (item) => (item.ok ? { kind: 'accepted' as const, ...item.accepted } : null),
      }),
      error: t.field({ type: ItemError, nullable: true, resolve: (item) => (item.ok ? null : (item as Failed)) }),
    }),
  });
  return builder.objectRef<readonly Item[]>(`${name}Payload`).implement({
    fields: (t) => ({
      items: t.field({ type: [PayloadItem], resolve: (items) => items }),
      acceptedCount: t.int({ resolve: (items) => items.filter((item) => item.ok).length }),
      position: t.field({
        type: 'Position',
        nullable: true,
        description: `Position of the last accepted ${subject}; null when none was accepted.`,
        resolve: lastPosition,
      }),
    }),
  });
};

/** The key of a mutation of many items. */
export const BULK_KEY = {
  description: 'Key for items without one of their own, combined with their index.',
} as const;
