import type { z } from 'zod';
import type { TryRulesInput } from '../../../commands/rules/try-rules.ts';
import type { RuleInput } from '../../../domain/rules/rule.ts';
import type { Builder } from '../kit/builder.ts';
import { withoutNulls } from '../kit/command-field.ts';
import type { Enums } from '../kit/enums.ts';

export const addRuleInputs = (builder: Builder, { RoutingStrategy }: Enums) => {
  const RoutingVariantInput = builder.inputType('RoutingVariantInput', {
    description: 'A part of the tasks of a rule that is routed otherwise; what it does not say is as the rule says.',
    fields: (t) => ({
      name: t.string({ required: true }),
      percent: t.float({ required: true, description: '0 to 100; of all variants together at most 100.' }),
      strategy: t.field({ type: RoutingStrategy }),
      targets: t.stringList(),
      versionRange: t.string(),
    }),
  });
  const RoutingRuleInput = builder.inputType('RoutingRuleInput', {
    description: 'Says at least one of `strategy`, `targets`, `versionRange` and `variants`.',
    fields: (t) => ({
      name: t.string({ required: true }),
      priority: t.int({ description: '0 to 1000, the higher one decides; 100 when absent.' }),
      when: t.string({
        required: true,
        description: 'A condition in CEL over `capability`, `pool`, `tenant`, `priority`, `tags` and `input`.',
      }),
      strategy: t.field({ type: RoutingStrategy }),
      targets: t.stringList({ description: 'For FAILOVER: agents in the order in which they are to be tried.' }),
      versionRange: t.string({ description: "Semver range for the capability's version." }),
      variants: t.field({ type: [RoutingVariantInput], description: 'One or two.' }),
      splitBy: t.string({
        description:
          'A key in CEL, as in `input.customer`: tasks with the same one are of one variant. When absent the affinity key, else the execution, else the id of the task.',
      }),
      enabled: t.boolean({ description: 'True when absent.' }),
    }),
  });
  const TryRulesInput = builder.inputType('TryRulesInput', {
    description: 'A task as it would be submitted, as far as rules look at it.',
    fields: (t) => ({
      capability: t.string({ required: true }),
      pool: t.string(),
      priority: t.int(),
      tags: t.stringList(),
      input: t.field({ type: 'JSON' }),
      strategy: t.field({ type: RoutingStrategy }),
      targets: t.stringList(),
      versionRange: t.string(),
      affinityKey: t.string(),
    }),
  });
  return { RoutingRuleInput, TryRulesInput };
};

export type RuleInputs = ReturnType<typeof addRuleInputs>;
type RuleArgument = RuleInputs['RoutingRuleInput']['$inferInput'];
type TryArgument = RuleInputs['TryRulesInput']['$inferInput'];

/** Checks at compile time that the API's input and the command's schema describe the same thing. */
export const ruleBody = (input: RuleArgument) => withoutNulls(input) satisfies z.input<typeof RuleInput>;
/** As `ruleBody`. */
export const tryBody = (input: TryArgument) => withoutNulls(input) satisfies z.input<typeof TryRulesInput>;
