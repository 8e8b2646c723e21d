import { Delivery, Health } from '../../domain/agent/events.ts';
import { RetryPolicy } from '../../domain/retry.ts';
import { STRATEGY_NAMES } from '../../domain/routing/strategies.ts';
import type { Builder } from './builder.ts';

type Values<Name extends string> = { readonly [Key in Name as Uppercase<Key>]: { readonly value: Key } };

/** The domain's words in the API's case: `least_loaded` is `LEAST_LOADED`. */
export const enumValues = <const Name extends string>(names: readonly Name[]): Values<Name> =>
  Object.fromEntries(names.map((name) => [name.toUpperCase(), { value: name }])) as Values<Name>;

/** Enums that more than one feature uses. */
export const addEnums = (builder: Builder) => ({
  RoutingStrategy: builder.enumType('RoutingStrategy', {
    description: 'How an agent is chosen among those that could take an attempt.',
    values: enumValues(STRATEGY_NAMES),
  }),
  RetryKind: builder.enumType('RetryKind', {
    description: 'How the delay grows from one retry to the next.',
    values: enumValues(RetryPolicy.shape.kind.unwrap().options),
  }),
  Delivery: builder.enumType('Delivery', {
    description:
      'What an agent promises about repeated calls: EFFECTIVELY_ONCE dedupes on the effect key, AT_LEAST_ONCE may repeat effects, AT_MOST_ONCE is never called twice for one attempt.',
    values: enumValues(Delivery.options),
  }),
  Health: builder.enumType('Health', { values: enumValues(Health.options) }),
});

export type Enums = ReturnType<typeof addEnums>;
