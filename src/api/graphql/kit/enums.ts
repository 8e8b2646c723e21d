import { ServiceType } from '../../../domain/agent/descriptor.ts';
import { Delivery, Health } from '../../../domain/agent/events.ts';
import { RetryPolicy } from '../../../domain/retry.ts';
import { OBSTACLES } from '../../../domain/routing/obstacles.ts';
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
  Obstacle: builder.enumType('Obstacle', {
    description:
      'What keeps work from running; of several the first in this order. DEPENDENCY: other work, or something outside, must end first. HUMAN: a person must act. TIMER: a time must come. ADMISSION: the pool or the workflow lets no more work start. NO_CAPABLE_AGENT: no registered agent can do it. BREAKER: agents are left alone for now because of what calls to them have shown. CAPACITY: the agents that can do it have no room, or take no work.',
    values: enumValues(OBSTACLES),
  }),
  ServiceType: builder.enumType('ServiceType', {
    description: 'What an agent is for.',
    values: enumValues(ServiceType.options),
  }),
});

export type Enums = ReturnType<typeof addEnums>;
