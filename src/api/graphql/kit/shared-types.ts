import type { Money } from '../../../domain/money.ts';
import type { RuleRef } from '../../../domain/rules/rule-ref.ts';
import type { AttemptError } from '../../../domain/task/events.ts';
import type { Builder } from './builder.ts';

/** Types that more than one feature uses. */
export const addSharedTypes = (builder: Builder) => ({
  Money: builder.objectRef<Money>('Money').implement({
    fields: (t) => ({
      currency: t.exposeString('currency'),
      micros: t.expose('micros', { type: 'SafeInt', description: "Millionths of the currency's unit." }),
    }),
  }),
  RoutedBy: builder.objectRef<RuleRef>('RoutedBy').implement({
    description: 'A version of a routing rule.',
    fields: (t) => ({
      name: t.exposeID('name'),
      version: t.exposeInt('version'),
      variant: t.exposeString('variant', { nullable: true, description: 'Null where the rule itself holds.' }),
    }),
  }),
  AttemptError: builder.objectRef<AttemptError>('AttemptError').implement({
    description: 'What went wrong in an attempt.',
    fields: (t) => ({
      code: t.exposeString('code'),
      message: t.exposeString('message'),
      source: t.exposeString('source', {
        description: 'Where the error comes from: agent, destination, timeout or baton.',
      }),
      retryable: t.exposeBoolean('retryable'),
    }),
  }),
});

export type SharedTypes = ReturnType<typeof addSharedTypes>;
