import { z } from 'zod';
import { listRules } from '../../commands/rules/list-rules.ts';
import { disableRule, enableRule, removeRule, setRule } from '../../commands/rules/set-rule.ts';
import { TryRulesInput, tryRules } from '../../commands/rules/try-rules.ts';
import { RuleReasonInput } from '../../domain/rules/decider.ts';
import { ruleEvents } from '../../domain/rules/events.ts';
import { RuleInput } from '../../domain/rules/rule.ts';
import { RuleName, RuleRef } from '../../domain/rules/rule-ref.ts';
import { RULE_OUTCOMES } from '../../domain/rules/rule-set.ts';
import { countByRule } from '../../projections/tasks/rule-counts.ts';
import { ruleOutcomeText } from '../../wording/routing-rules.ts';
import { RULE } from './examples.ts';
import { textOf } from './filters.ts';
import {
  AT_LEAST,
  COMMAND_REFUSALS,
  CREATION_REFUSALS,
  type Operation,
  operation,
  positionOf,
  QUERY_REFUSALS,
  RECORDED,
} from './operation.ts';
import { acceptedByRule } from './rejection.ts';

const Changed = z.strictObject({ name: RuleName, ...RECORDED });

const list = operation({
  method: 'get',
  path: '/routing-rules',
  id: 'listRoutingRules',
  summary: 'List the routing rules in the order in which they are asked',
  query: z.strictObject({}),
  success: {
    status: 200,
    description: 'As the log has them now',
    schema: z.strictObject({ rules: z.array(ruleEvents.RoutingRuleSet.schema) }),
  },
  refusals: QUERY_REFUSALS,
  example: {},
  async run({ commands, caller }) {
    return { body: { rules: await listRules(commands, caller.tenant) } };
  },
});

const set = operation({
  method: 'post',
  path: '/routing-rules',
  id: 'setRoutingRule',
  summary: 'Make a routing rule, or a new version of it',
  description: 'It holds for tasks that are submitted from then on. The same content again records nothing.',
  body: { schema: RuleInput, required: true },
  success: { status: 200, description: 'Set', schema: Changed },
  refusals: CREATION_REFUSALS,
  example: {
    body: {
      name: RULE,
      priority: 200,
      when: '"gold" in tags',
      strategy: 'suitability',
      variants: [{ name: 'v2', percent: 10, versionRange: '^2.0.0' }],
      splitBy: 'input.customer',
    },
  },
  async run({ commands, caller, body }) {
    const { id, position, repeated } = acceptedByRule(await setRule(commands, caller, body));
    return { body: { name: id, position: String(position), repeated } };
  },
});

type Change = Pick<Operation, 'id' | 'summary'> & {
  readonly verb: 'enable' | 'disable' | 'remove';
  readonly done: string;
  readonly command: typeof enableRule;
};

const onRule = ({ verb, done, command, ...documented }: Change): Operation =>
  operation({
    ...documented,
    method: 'post',
    path: `/routing-rules/{id}/${verb}`,
    target: RuleName,
    body: { schema: RuleReasonInput, required: false },
    success: { status: 200, description: done, schema: Changed },
    refusals: COMMAND_REFUSALS,
    example: { target: RULE },
    async run({ commands, caller, target, body }) {
      const { id, position, repeated } = acceptedByRule(await command(commands, caller, target, body));
      return { body: { name: id, position: String(position), repeated } };
    },
  });

const TriedView = z.strictObject({
  rule: RuleRef.optional(),
  variantOpen: z.boolean().meta({ description: 'The variant depends on the id that the task gets.' }),
  strategy: z.string(),
  targets: z.array(z.string()).optional(),
  versionRange: z.string().optional(),
  trials: z.array(
    z.strictObject({
      name: RuleName,
      version: z.int(),
      priority: z.int(),
      outcome: z.enum(RULE_OUTCOMES),
      message: z.string(),
    }),
  ),
});

const trial = operation({
  method: 'post',
  path: '/routing-rules/try',
  id: 'tryRoutingRules',
  summary: 'Which routing rule a task would come under',
  description: 'A query: it records nothing.',
  body: { schema: TryRulesInput, required: true },
  success: { status: 200, description: 'What would become of the task', schema: TriedView },
  refusals: [400, 413, 415, 503],
  example: { body: { capability: 'footprint', tags: ['gold'], input: { customer: 'c-7' } } },
  async run({ commands, caller, body }) {
    const { routed, route, trials } = await tryRules(commands, caller, body);
    return {
      body: {
        ...(routed === undefined ? {} : { rule: routed.rule }),
        variantOpen: routed?.variantOpen === true,
        ...route,
        trials: trials.map((each) => ({
          name: each.rule.name,
          version: each.rule.version,
          priority: each.rule.priority,
          outcome: each.outcome,
          message: ruleOutcomeText(each),
        })),
      },
    };
  },
});

const Count = z.int().min(0);

const CountsView = z.strictObject({
  rule: RuleName,
  version: z.int(),
  variant: z.string().optional().meta({ description: 'Absent where the rule itself holds.' }),
  tasks: Count,
  open: Count,
  completed: Count,
  failed: Count,
  cancelled: Count,
  failedAttempts: Count,
  averageMs: z.number().optional().meta({ description: 'Of the calls that completed tasks.' }),
});

const counts = operation({
  method: 'get',
  path: '/routing-rules/counts',
  id: 'countByRoutingRule',
  summary: 'How the tasks that rules routed are split',
  query: z.strictObject({ name: textOf('Of this rule only.'), ...AT_LEAST }),
  success: {
    status: 200,
    description: 'By rule, version (the newest first) and variant',
    schema: z.strictObject({ counts: z.array(CountsView) }),
  },
  refusals: QUERY_REFUSALS,
  example: { query: { name: RULE } },
  async run({ reads, query }) {
    reads.atLeast(positionOf(query));
    const rows = await reads.of(countByRule(reads.pool, reads.tenant, query.name));
    const shown = rows.map(({ variant, averageMs, ...row }) => ({
      ...row,
      ...(variant === null ? {} : { variant }),
      ...(averageMs === null ? {} : { averageMs }),
    }));
    return { body: { counts: shown } };
  },
});

export const RULE_OPERATIONS: readonly Operation[] = [
  set,
  list,
  trial,
  counts,
  onRule({
    verb: 'disable',
    id: 'disableRoutingRule',
    summary: 'Keep a routing rule, which decides about no task any more',
    done: 'Disabled',
    command: disableRule,
  }),
  onRule({
    verb: 'enable',
    id: 'enableRoutingRule',
    summary: 'Let a routing rule decide about tasks again',
    done: 'Enabled',
    command: enableRule,
  }),
  onRule({
    verb: 'remove',
    id: 'removeRoutingRule',
    summary: 'Remove a routing rule',
    done: 'Removed',
    command: removeRule,
  }),
];
