import { ServiceType } from '../../../domain/agent/descriptor.ts';
import { Delivery, Health } from '../../../domain/agent/events.ts';
import { RetryPolicy } from '../../../domain/retry.ts';
import { STRATEGY_NAMES } from '../../../domain/routing/strategies.ts';
import { COMPENSATION_STRATEGIES } from '../../../domain/workflow/definition.ts';
import { STARTED_STATUSES } from '../../../projections/executions/table.ts';
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
  ExecutionStatus: builder.enumType('ExecutionStatus', {
    description:
      'EXECUTING includes waiting, see `whyNotRunning`. FAILED can be retried. COMPENSATION_FAILED waits for a person, see `compensationDebts`.',
    values: enumValues(STARTED_STATUSES),
  }),
  CompensationStrategy: builder.enumType('CompensationStrategy', {
    description:
      'BACKWARD: reverse order of completion, one by one. FORWARD: in order of completion. PARALLEL: all at once. SELECTIVE: backward, only marked steps. CASCADE: each step after everything that used its output.',
    values: enumValues(COMPENSATION_STRATEGIES),
  }),
  Health: builder.enumType('Health', { values: enumValues(Health.options) }),
  ServiceType: builder.enumType('ServiceType', {
    description: 'What an agent is for.',
    values: enumValues(ServiceType.options),
  }),
});

export type Enums = ReturnType<typeof addEnums>;
