import {
  CountByRoutingRule,
  type CountByRoutingRuleQuery,
  DisableRoutingRule,
  EnableRoutingRule,
  ListRoutingRules,
  type ListRoutingRulesQuery,
  RemoveRoutingRule,
  SetRoutingRule,
  TryRoutingRules,
  type TryRoutingRulesQuery,
} from 'baton-client';
import { type Command, Option } from 'commander';
import { STRATEGY_NAMES, type StrategyName } from '../../domain/routing/strategies.ts';
import { MAX_RULE_PRIORITY } from '../../domain/rules/rule.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { duration, oneLine, table } from '../format.ts';
import { type Freshness, freshness } from '../freshness.ts';
import { type InputOptions, inputOf, inputOptions } from '../input-options.ts';
import * as parse from '../parse.ts';
import { type KeyOptions, keyOption, perform } from '../perform.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import { ruleText } from '../rule-text.ts';
import { type VariantOption, variant } from '../rule-variant.ts';
import type { Terminal } from '../terminal.ts';

type Rule = ListRoutingRulesQuery['routingRules'][number];
type Route = Pick<Rule, 'strategy' | 'targets' | 'versionRange'>;

const routeText = ({ strategy, targets, versionRange }: Route): string =>
  [
    ...(strategy === null ? [] : [strategy]),
    ...(targets.length === 0 ? [] : [`to ${targets.join(', ')}`]),
    ...(versionRange === null ? [] : [`version ${versionRange}`]),
  ].join(' ');

const saysOf = ({ variants, splitBy, ...rule }: Rule): string => {
  const parts = variants.map((each) => `${each.name} ${each.percent} %: ${routeText(each) || 'the same'}`);
  const split = parts.length === 0 ? [] : [`${parts.join(', ')}${splitBy === null ? '' : ` (by ${splitBy})`}`];
  return [routeText(rule), ...split].filter((part) => part !== '').join('; ');
};

const list = async (terminal: Terminal, options: ServerOptions): Promise<void> => {
  const { routingRules } = await withClient(terminal, options, (client) => client.execute(ListRoutingRules, {}));
  print(terminal, options.json, routingRules, () =>
    table(
      [
        { title: 'RULE' },
        { title: 'VERSION', align: 'right' },
        { title: 'PRIORITY', align: 'right' },
        { title: 'STATE' },
        { title: 'WHEN' },
        { title: 'SAYS' },
      ],
      routingRules.map((rule) => [
        rule.name,
        String(rule.version),
        String(rule.priority),
        rule.enabled ? 'enabled' : 'disabled',
        oneLine(rule.when, 60),
        oneLine(saysOf(rule), 120),
      ]),
    ),
  );
};

type SetOptions = KeyOptions & {
  readonly when: string;
  readonly priority?: number;
  readonly strategy?: StrategyName;
  readonly target?: readonly string[];
  readonly versionRange?: string;
  readonly variant?: readonly VariantOption[];
  readonly splitBy?: string;
  readonly disabled?: true;
};

const set = async (terminal: Terminal, name: string, options: SetOptions): Promise<void> => {
  const { when, priority, strategy, target, versionRange, variant: variants, splitBy, disabled } = options;
  const rule = {
    name,
    when,
    priority,
    strategy: strategy && parse.upperCase(strategy),
    targets: target,
    versionRange,
    variants: variants?.map((each) => ({ ...each, strategy: each.strategy && parse.upperCase(each.strategy) })),
    splitBy,
    enabled: disabled === undefined ? undefined : false,
  };
  const { idempotencyKey } = options;
  const { id, position, repeated } = await perform(terminal, options, SetRoutingRule, { rule, idempotencyKey });
  print(terminal, options.json, { name: id, position, repeated }, () =>
    repeated ? `${id} is as it was\n` : `${id} is set: it holds for tasks that are submitted from now on\n`,
  );
};

type ReasonOptions = KeyOptions & { readonly reason?: string };
type Change = typeof EnableRoutingRule | typeof DisableRoutingRule | typeof RemoveRoutingRule;

const change =
  (terminal: Terminal, document: Change, done: string) =>
  async (name: string, { reason, idempotencyKey, ...options }: ReasonOptions): Promise<void> => {
    const { id, position, repeated } = await perform(terminal, options, document, { name, reason, idempotencyKey });
    print(terminal, options.json, { name: id, position, repeated }, () => `${id} ${done}\n`);
  };

type TryOptions = ServerOptions &
  InputOptions & {
    readonly pool?: string;
    readonly priority?: number;
    readonly tag?: readonly string[];
    readonly strategy?: StrategyName;
    readonly target?: readonly string[];
    readonly versionRange?: string;
    readonly affinityKey?: string;
  };
type Tried = TryRoutingRulesQuery['tried'];

const triedText = ({ rule, variantOpen, trials, strategy, targets, versionRange }: Tried): string => {
  const open = variantOpen ? '; the variant depends on the id that the task gets' : '';
  return [
    `${rule === null ? 'no rule decides about this task' : `${ruleText(rule)} decides about this task${open}`}\n`,
    `routed by ${routeText({ strategy, targets, versionRange })}\n`,
    ...trials.map(
      ({ name, version, priority, message }) =>
        `  ${name} version ${version}, priority ${priority}: ${oneLine(message, 300)}\n`,
    ),
  ].join('');
};

const tryOut = async (terminal: Terminal, capability: string, options: TryOptions): Promise<void> => {
  const { pool, priority, tag: tags, strategy, target: targets, versionRange, affinityKey } = options;
  const task = {
    capability,
    input: await inputOf(terminal, options),
    pool,
    priority,
    tags,
    strategy: strategy && parse.upperCase(strategy),
    targets,
    versionRange,
    affinityKey,
  };
  const { tried } = await withClient(terminal, options, (client) => client.execute(TryRoutingRules, { task }));
  print(terminal, options.json, tried, () => triedText(tried));
};

type Counts = CountByRoutingRuleQuery['counts'][number];

const countsRow = (row: Counts): string[] => [
  row.name,
  String(row.version),
  row.variant ?? '-',
  ...[row.tasks, row.open, row.completed, row.failed, row.cancelled, row.failedAttempts].map(String),
  row.averageMs === null ? '' : duration(row.averageMs),
];

const NUMBERS = ['TASKS', 'OPEN', 'COMPLETED', 'FAILED', 'CANCELLED', 'FAILED ATTEMPTS', 'AVERAGE'];

const split = async (
  terminal: Terminal,
  name: string | undefined,
  { atLeast, ...options }: ServerOptions & Freshness,
): Promise<void> => {
  const { counts } = await withClient(terminal, options, (client) =>
    client.execute(CountByRoutingRule, { name, atLeast }),
  );
  print(terminal, options.json, counts, () =>
    table(
      [
        { title: 'RULE' },
        { title: 'VERSION', align: 'right' },
        { title: 'VARIANT' },
        ...NUMBERS.map((title) => ({ title, align: 'right' as const })),
      ],
      counts.map(countsRow),
    ),
  );
};

const strategyOption = (description: string): Option =>
  new Option('--strategy <name>', description).choices(STRATEGY_NAMES);
const targetOption = ['--target <agent>', 'for failover: agents in order (repeatable)', parse.collect(String)] as const;
const RANGE = ['--version-range <range>', 'semver range of the capability'] as const;

const addSet = (rules: Command, terminal: Terminal): void => {
  keyOption(
    rules
      .command('set')
      .description('Make a rule, or a new version of it; it holds for tasks that are submitted from then on.')
      .argument('<name>')
      .requiredOption('--when <condition>', 'CEL over capability, pool, tenant, priority, tags and input')
      .option(
        '--priority <n>',
        `0 to ${MAX_RULE_PRIORITY}, the higher one decides; default: 100`,
        parse.integer(0, MAX_RULE_PRIORITY),
      )
      .addOption(strategyOption('how the agent is chosen'))
      .option(...targetOption)
      .option(...RANGE)
      .option(
        '--variant <json>',
        'a part that is routed otherwise: name, percent, strategy, targets, versionRange; at most two (repeatable)',
        parse.collect(variant),
      )
      .option('--split-by <key>', 'CEL: tasks with the same key are of one variant, as in input.customer')
      .option('--disabled', 'decides about no task yet'),
  )
    .addHelpText(
      'after',
      examples(
        `baton rules set gold --when '"gold" in tags' --strategy suitability --priority 200`,
        `baton rules set render-v2 --when 'capability == "render"' --split-by input.customer \\`,
        `    --variant '{"name":"v2","percent":10,"versionRange":"^2.0.0"}'`,
      ),
    )
    .action((name: string, options: SetOptions) => set(terminal, name, options));
};

const addTry = (rules: Command, terminal: Terminal): void => {
  serverOptions(
    inputOptions(
      rules
        .command('try')
        .description('Show which rule a task would come under; nothing is submitted.')
        .argument('<capability>'),
      'what the agent would get, as JSON',
    )
      .option('--pool <name>', 'pool of agents')
      .option('--priority <n>', '1 critical … 5 background', parse.integer(1, 5))
      .option('--tag <text>', 'a tag of the task (repeatable)', parse.collect(String))
      .addOption(strategyOption('what the task itself says'))
      .option(...targetOption)
      .option(...RANGE)
      .option('--affinity-key <text>', 'tasks with the same one belong together'),
  )
    .addHelpText('after', examples(`baton rules try render --tag gold --input '{"customer":"c-7"}'`))
    .action((capability: string, options: TryOptions) => tryOut(terminal, capability, options));
};

const addChange = (
  rules: Command,
  terminal: Terminal,
  { verb, description, document, done }: { verb: string; description: string; document: Change; done: string },
): void => {
  keyOption(
    rules.command(verb).description(description).argument('<name>').option('--reason <text>', 'reason to record'),
  )
    .addHelpText('after', examples(`baton rules ${verb} gold`))
    .action(change(terminal, document, done));
};

export const addRules = (program: Command, terminal: Terminal): void => {
  const rules = program.command('rules').description('Say how tasks are routed, by rules, and compare variants.');
  serverOptions(rules.command('list').description('List the rules in the order in which they are asked.'))
    .addHelpText('after', examples('baton rules list', 'baton rules list --json'))
    .action((options: ServerOptions) => list(terminal, options));
  addSet(rules, terminal);
  addTry(rules, terminal);
  serverOptions(
    freshness(
      rules
        .command('split')
        .description('Count the tasks that rules routed, by version and variant.')
        .argument('[name]', 'of this rule only'),
    ),
  )
    .addHelpText('after', examples('baton rules split', 'baton rules split render-v2 --json'))
    .action((name: string | undefined, options: ServerOptions & Freshness) => split(terminal, name, options));
  addChange(rules, terminal, {
    verb: 'disable',
    description: 'Keep a rule, which decides about no task any more.',
    document: DisableRoutingRule,
    done: 'is disabled',
  });
  addChange(rules, terminal, {
    verb: 'enable',
    description: 'Let a rule decide about tasks again.',
    document: EnableRoutingRule,
    done: 'is enabled',
  });
  addChange(rules, terminal, {
    verb: 'remove',
    description: 'Remove a rule; tasks that it routed stay as they are.',
    document: RemoveRoutingRule,
    done: 'is removed',
  });
};
