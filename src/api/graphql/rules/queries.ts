import { listRules } from '../../../commands/rules/list-rules.ts';
import { type RulesTried, tryRules } from '../../../commands/rules/try-rules.ts';
import type { Rule } from '../../../domain/rules/decider.ts';
import { RULE_OUTCOMES, type RuleTrial } from '../../../domain/rules/rule-set.ts';
import { countByRule, type RuleCounts } from '../../../projections/tasks/rule-counts.ts';
import { ruleOutcomeText } from '../../../wording/routing-rules.ts';
import type { Builder } from '../kit/builder.ts';
import { atPointer } from '../kit/command-field.ts';
import { AT_LEAST } from '../kit/connection.ts';
import { enumValues } from '../kit/enums.ts';
import type { SharedTypes } from '../kit/shared-types.ts';
import { type RuleInputs, tryBody } from './inputs.ts';

type Variant = NonNullable<Rule['variants']>[number];

const addRuleType = (builder: Builder) => {
  const RoutingVariant = builder.objectRef<Variant>('RoutingVariant').implement({
    description: 'A part of the tasks of a rule that is routed otherwise.',
    fields: (t) => ({
      name: t.exposeID('name'),
      percent: t.exposeFloat('percent'),
      strategy: t.exposeString('strategy', { nullable: true }),
      targets: t.stringList({ resolve: ({ targets = [] }) => [...targets] }),
      versionRange: t.exposeString('versionRange', { nullable: true }),
    }),
  });
  return builder.objectRef<Rule>('RoutingRule').implement({
    description: 'Decides how tasks are routed that do not say it themselves, when they are submitted.',
    fields: (t) => ({
      name: t.exposeID('name'),
      version: t.exposeInt('version'),
      priority: t.exposeInt('priority'),
      when: t.exposeString('when'),
      strategy: t.exposeString('strategy', { nullable: true }),
      targets: t.stringList({ resolve: ({ targets = [] }) => [...targets] }),
      versionRange: t.exposeString('versionRange', { nullable: true }),
      variants: t.field({ type: [RoutingVariant], resolve: ({ variants = [] }) => [...variants] }),
      splitBy: t.exposeString('splitBy', { nullable: true }),
      enabled: t.exposeBoolean('enabled'),
      setAt: t.expose('setAt', { type: 'DateTime' }),
    }),
  });
};

const addTriedType = (builder: Builder, { RoutedBy }: SharedTypes) => {
  const RuleOutcome = builder.enumType('RoutingRuleOutcome', { values: enumValues(RULE_OUTCOMES) });
  const RoutingRuleTrial = builder.objectRef<RuleTrial>('RoutingRuleTrial').implement({
    fields: (t) => ({
      name: t.id({ resolve: ({ rule }) => rule.name }),
      version: t.int({ resolve: ({ rule }) => rule.version }),
      priority: t.int({ resolve: ({ rule }) => rule.priority }),
      outcome: t.expose('outcome', { type: RuleOutcome }),
      message: t.string({ resolve: ruleOutcomeText }),
    }),
  });
  return builder.objectRef<RulesTried>('RoutingRulesTried').implement({
    description: 'What would become of a task.',
    fields: (t) => ({
      rule: t.field({
        type: RoutedBy,
        nullable: true,
        description: 'Null when no rule would decide about it.',
        resolve: ({ routed }) => routed?.rule,
      }),
      variantOpen: t.boolean({
        description: 'The variant depends on the id that the task gets when it is submitted.',
        resolve: ({ routed }) => routed?.variantOpen === true,
      }),
      strategy: t.string({ resolve: ({ route }) => route.strategy ?? '' }),
      targets: t.stringList({ resolve: ({ route }) => [...(route.targets ?? [])] }),
      versionRange: t.string({ nullable: true, resolve: ({ route }) => route.versionRange }),
      trials: t.field({
        type: [RoutingRuleTrial],
        description: 'What each rule makes of it, in the order in which they are asked.',
        resolve: ({ trials }) => [...trials],
      }),
    }),
  });
};

const addCountsType = (builder: Builder) =>
  builder.objectRef<RuleCounts>('RoutingRuleCounts').implement({
    description: 'What became of the tasks that a version of a rule routed one way.',
    fields: (t) => ({
      name: t.id({ resolve: ({ rule }) => rule }),
      version: t.exposeInt('version'),
      variant: t.exposeString('variant', { nullable: true, description: 'Null where the rule itself holds.' }),
      tasks: t.expose('tasks', { type: 'SafeInt' }),
      open: t.expose('open', { type: 'SafeInt', description: 'Not ended, or with an outcome that nobody knows.' }),
      completed: t.expose('completed', { type: 'SafeInt' }),
      failed: t.expose('failed', { type: 'SafeInt', description: 'Also those that were dead-lettered.' }),
      cancelled: t.expose('cancelled', { type: 'SafeInt' }),
      failedAttempts: t.expose('failedAttempts', { type: 'SafeInt' }),
      averageMs: t.exposeFloat('averageMs', {
        nullable: true,
        description: 'Of the calls that completed tasks; null when none did.',
      }),
    }),
  });

export const addRuleQueries = (builder: Builder, shared: SharedTypes, { TryRulesInput }: RuleInputs): void => {
  const RoutingRule = addRuleType(builder);
  const Tried = addTriedType(builder, shared);
  const Counts = addCountsType(builder);
  builder.queryFields((t) => ({
    routingRules: t.field({
      type: [RoutingRule],
      description: 'All rules, in the order in which they are asked; as the log has them now.',
      resolve: (_, __, { commands, caller }) => listRules(commands, caller.tenant),
    }),
    tryRoutingRules: t.field({
      type: Tried,
      description: 'Which rule a task would come under if it were submitted now. Records nothing.',
      args: { task: t.arg({ type: TryRulesInput, required: true }) },
      resolve: (_, { task }, { commands, caller }) =>
        atPointer('/task', () => tryRules(commands, caller, tryBody(task))),
    }),
    routingRuleCounts: t.field({
      type: [Counts],
      description: 'How the tasks that rules routed are split, by rule, version (the newest first) and variant.',
      args: { name: t.arg.id({ description: 'Of this rule only.' }), atLeast: t.arg(AT_LEAST) },
      resolve: async (_, { name, atLeast }, { reads }) => {
        reads.atLeast(atLeast);
        return reads.of(countByRule(reads.pool, reads.tenant, name == null ? undefined : String(name)));
      },
    }),
  }));
};
