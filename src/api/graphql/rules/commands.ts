import type { Accepted as AcceptedCommand } from '../../../commands/context.ts';
import { disableRule, enableRule, removeRule, setRule } from '../../../commands/rules/set-rule.ts';
import type { RuleRejection } from '../../../domain/rules/decider.ts';
import { RULE_REASONS } from '../../../wording/rejections.ts';
import type { Builder } from '../kit/builder.ts';
import { atPointer, callerFor, KEY, withoutNulls } from '../kit/command-field.ts';
import { addOutcome } from '../kit/outcome.ts';
import { type RuleInputs, ruleBody } from './inputs.ts';

const addRuleOutcome = (builder: Builder) =>
  addOutcome<AcceptedCommand, RuleRejection>(builder, {
    subject: 'RoutingRule',
    recorded: 'if_changed',
    accepted: (t) => ({ name: t.id({ resolve: ({ id }) => id }) }),
    reasons: RULE_REASONS,
    facts: { limit: { from: 'limit', type: 'Int' } },
  });

const CHANGES = {
  enableRoutingRule: {
    payload: 'EnableRoutingRulePayload',
    change: enableRule,
    description: 'Lets a rule decide about tasks again.',
  },
  disableRoutingRule: {
    payload: 'DisableRoutingRulePayload',
    change: disableRule,
    description: 'Keeps a rule, which decides about no task any more.',
  },
  removeRoutingRule: {
    payload: 'RemoveRoutingRulePayload',
    change: removeRule,
    description: 'Removes a rule. Tasks that were routed by it stay as they are.',
  },
} as const;

export const addRuleCommands = (builder: Builder, { RoutingRuleInput }: RuleInputs): void => {
  const { payload, outcomeOf } = addRuleOutcome(builder);
  builder.mutationField('setRoutingRule', (t) =>
    t.field({
      type: payload('SetRoutingRulePayload'),
      description: 'Makes a rule, or a new version of it. It holds for tasks that are submitted from then on.',
      args: { rule: t.arg({ type: RoutingRuleInput, required: true }), idempotencyKey: t.arg.string(KEY) },
      resolve: async (_, { rule, ...key }, context, info) =>
        outcomeOf(
          await atPointer('/rule', () => setRule(context.commands, callerFor(context, key, info), ruleBody(rule))),
        ),
    }),
  );
  for (const [name, { payload: type, change, description }] of Object.entries(CHANGES))
    builder.mutationField(name, (t) =>
      t.field({
        type: payload(type),
        description,
        args: { name: t.arg.id({ required: true }), reason: t.arg.string(), idempotencyKey: t.arg.string(KEY) },
        resolve: async (_, { name: rule, reason, ...key }, context, info) =>
          outcomeOf(
            await change(context.commands, callerFor(context, key, info), String(rule), withoutNulls({ reason })),
          ),
      }),
    );
};
