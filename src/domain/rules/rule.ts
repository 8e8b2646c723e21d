import { z } from 'zod';
import { byteLengthOf } from '../json.ts';
import { StrategyName } from '../routing/strategies.ts';
import { VersionRange } from '../task/commands.ts';
import { ROUTING_HINTS } from '../task/routing-hints.ts';
import { ConditionText, KeyText } from './predicate.ts';
import { RuleName, type RuleRef } from './rule-ref.ts';

/** Of one tenant: all of them are evaluated with each submission. */
export const MAX_RULES = 100;
export const MAX_RULE_PRIORITY = 1_000;
/** Two can change their shares so that only those keys move that must (see `split.ts`). */
const MAX_VARIANTS = 2;
/** What a rule leaves with each of its tasks, as JSON. */
export const MAX_ROUTED_BYTES = 256;
/** For the bytes above: no rule is changed more often. */
const LAST_VERSION = 999_999;

/** What a rule says about the agent of a task. */
const ROUTE = {
  strategy: StrategyName.optional(),
  /** For `failover`. */
  targets: ROUTING_HINTS.targets,
  versionRange: VersionRange.optional(),
} as const;
export type Route = z.output<z.ZodObject<typeof ROUTE>>;

const Percent = z.number().min(0).max(100);

const Variant = z.strictObject({ name: RuleName, percent: Percent, ...ROUTE });
export type Variant = z.output<typeof Variant>;

const RuleShape = z.strictObject({
  /** The higher one decides. */
  priority: z.int().min(0).max(MAX_RULE_PRIORITY).default(100),
  when: ConditionText,
  ...ROUTE,
  /** Parts of the rule's tasks that are routed otherwise. */
  variants: z.array(Variant).min(1).max(MAX_VARIANTS).optional(),
  /** What decides about the variant: tasks for which it gives the same are in the same one. */
  splitBy: KeyText.optional(),
  enabled: z.boolean().default(true),
});
export type RuleBody = z.output<typeof RuleShape>;

type Issue = { readonly path: (string | number)[]; readonly code: string; readonly message: string };

/** Those of the fields that say something. */
export const routeOf = ({ strategy, targets, versionRange }: Route): Route => ({
  ...(strategy === undefined ? {} : { strategy }),
  ...(targets === undefined ? {} : { targets }),
  ...(versionRange === undefined ? {} : { versionRange }),
});

const isEmpty = (route: Route): boolean => Object.keys(routeOf(route)).length === 0;

const sizeIssue = (rule: RuleRef, route: Route, path: Issue['path']): Issue | undefined => {
  const bytes = byteLengthOf({ rule, ...routeOf(route) });
  return bytes <= MAX_ROUTED_BYTES
    ? undefined
    : {
        path: [...path, route.targets === undefined ? 'versionRange' : 'targets'],
        code: 'TOO_LARGE',
        message: `what the rule leaves with a task takes at most ${MAX_ROUTED_BYTES} bytes, got ${bytes}`,
      };
};

const variantIssues = (variants: readonly Variant[]): Issue[] => {
  const names = variants.map(({ name }) => name);
  const sum = variants.reduce((all, { percent }) => all + percent, 0);
  return [
    ...(new Set(names).size === names.length
      ? []
      : [{ path: ['variants', 1, 'name'], code: 'DUPLICATE', message: 'two variants must not have one name' }]),
    // One that is too large by itself has been named.
    ...(sum <= 100 || variants.some(({ percent }) => percent > 100)
      ? []
      : [{ path: ['variants'], code: 'OUT_OF_RANGE', message: `at most 100 percent together, got ${sum}` }]),
  ];
};

const issuesOf = (name: string, { variants = [], splitBy, ...rule }: RuleBody): Issue[] => {
  const ref = { name, version: LAST_VERSION };
  const sized = [
    sizeIssue(ref, rule, []),
    ...variants.map((variant, at) =>
      sizeIssue({ ...ref, variant: variant.name }, { ...routeOf(rule), ...routeOf(variant) }, ['variants', at]),
    ),
  ];
  return [
    ...(isEmpty(rule) && variants.length === 0
      ? [{ path: ['strategy'], code: 'REQUIRED', message: 'a rule sets strategy, targets, versionRange or variants' }]
      : []),
    ...(splitBy !== undefined && variants.length === 0
      ? [{ path: ['splitBy'], code: 'NOT_ALLOWED', message: 'goes with variants' }]
      : []),
    ...variantIssues(variants),
    ...sized.filter((issue) => issue !== undefined),
  ];
};

/** What a caller sends to set the rule of that name. */
export const RuleInput = z.strictObject({ name: RuleName, ...RuleShape.shape }).superRefine((input, context) => {
  const { name, ...rule } = input;
  for (const { path, code, message } of issuesOf(name, rule))
    context.addIssue({ code: 'custom', path, message, params: { code } });
});
export type RuleInput = z.output<typeof RuleInput>;
