import type { ObjectFieldsShape } from '@pothos/core';
import type { Result } from '../../../domain/result.ts';
import type { Position } from '../../../eventstore/event-store.ts';
import { isAmong, messageIn, type Reasons, reasonsIn } from '../../../wording/rejections.ts';
import type { Builder, SchemaTypes } from './builder.ts';

type Refused = { readonly reason: string };
type Recorded = { readonly position: Position; readonly repeated: boolean };

export type Accepted<Value> = { readonly kind: 'accepted' } & Value;
type Rejected<Rejection> = { readonly kind: 'rejected'; readonly rejection: Rejection };
export type Outcome<Value, Rejection> = Accepted<Value> | Rejected<Rejection>;

type FactName<Rejection> = Rejection extends unknown ? Exclude<keyof Rejection, 'reason'> : never;

/** A field of a refusal, from a fact that comes with some of its reasons. */
type Fact<Rejection> = {
  readonly from: FactName<Rejection>;
  readonly type: 'String' | 'Int' | 'ID' | 'DateTime' | ['String'];
  readonly description?: string;
  /** Every reason comes with it. */
  readonly always?: boolean;
};

/** What acceptance means: the command was recorded for certain, or there may have been nothing to change. */
const RECORDED = {
  always: {
    accepted: 'The command was recorded.',
    repeated: 'The same command with the same idempotency key had been recorded before; nothing was recorded now.',
  },
  if_changed: {
    accepted: 'The command was recorded, or nothing had to change.',
    repeated: 'Nothing was recorded now: the state was already as requested.',
  },
} as const;

export type OutcomeOptions<Value extends Recorded, Rejection extends Refused> = {
  /** `Task` gives `TaskAccepted`, `TaskRejected` and `TaskRejectionReason`. */
  readonly subject: string;
  readonly recorded: keyof typeof RECORDED;
  /** Fields of the accepted side besides `position` and `repeated`. */
  readonly accepted: ObjectFieldsShape<SchemaTypes, Accepted<Value>>;
  readonly reasons: Reasons<Rejection>;
  /** Fields of the rejected side besides `reason` and `message`. */
  readonly facts: Readonly<Record<string, Fact<Rejection>>>;
};

const addAccepted = <Value extends Recorded>(
  builder: Builder,
  { subject, recorded, accepted }: Pick<OutcomeOptions<Value, never>, 'subject' | 'recorded' | 'accepted'>,
) => {
  const { accepted: description, repeated } = RECORDED[recorded];
  return builder.objectRef<Accepted<Value>>(`${subject}Accepted`).implement({
    description,
    fields: (t) => ({
      position: t.field({
        type: 'Position',
        description: 'Pass it as `atLeast` to a query to see the effect of this command.',
        resolve: ({ position }) => position,
      }),
      repeated: t.boolean({ description: repeated, resolve: (value) => value.repeated }),
      ...accepted(t),
    }),
  });
};

const addRejected = <Rejection extends Refused>(
  builder: Builder,
  { subject, reasons, facts }: Pick<OutcomeOptions<never, Rejection>, 'subject' | 'reasons' | 'facts'>,
) => {
  const Reason = builder.enumType(`${subject}RejectionReason`, { values: reasonsIn(reasons) });
  return builder.objectRef<Rejected<Rejection>>(`${subject}Rejected`).implement({
    description: 'The command was refused; nothing was recorded.',
    fields: (t) => {
      const factField = ({ from, type, description, always = false }: Fact<Rejection>) =>
        t.field({
          type: type as 'String',
          nullable: !always,
          ...(description === undefined ? {} : { description }),
          resolve: ({ rejection }: Rejected<Rejection>) => (rejection as Record<PropertyKey, unknown>)[from] as string,
        });
      return {
        reason: t.field({ type: Reason, resolve: ({ rejection }) => rejection.reason as never }),
        message: t.string({ resolve: ({ rejection }) => messageIn(reasons, rejection) }),
        ...Object.fromEntries(Object.entries(facts).map(([name, fact]) => [name, factField(fact)])),
      };
    },
  });
};

/**
 * The two sides of the answer to a command: what was accepted, and the refusals with their reasons.
 *
 * Shape: `payload` is a union of both, under the name of one mutation; `outcomeOf` turns a command's result into a member of it.
 */
export const addOutcome = <Value extends Recorded, Rejection extends Refused>(
  builder: Builder,
  options: OutcomeOptions<Value, Rejection>,
) => {
  const Accepted = addAccepted(builder, options);
  const Rejected = addRejected(builder, options);
  const payload = (name: string) =>
    builder.unionType(name, {
      types: [Accepted, Rejected],
      resolveType: (value) => ((value as Outcome<Value, Rejection>).kind === 'accepted' ? Accepted : Rejected),
    });
  const outcomeOf = (result: Result<Value, Refused>): Outcome<Value, Rejection> => {
    if (result.ok) return { kind: 'accepted', ...result.value };
    const { rejection } = result;
    if (!isAmong(options.reasons, rejection))
      throw new Error(`bug: ${options.subject} refused for ${rejection.reason}`);
    return { kind: 'rejected', rejection };
  };
  return { Accepted, payload, outcomeOf };
};
