import { z } from 'zod';
import { CapabilityName } from '../../domain/agent/descriptor.ts';
import { DEFAULT_STRATEGY } from '../../domain/routing/strategies.ts';
import { type Route, routeOf } from '../../domain/rules/rule.ts';
import { NO_RULE_SET, type Routed, type RuleTrial, type Submission } from '../../domain/rules/rule-set.ts';
import { SubmitTaskInput } from '../../domain/task/commands.ts';
import { type Caller, type Commands, parseInput } from '../context.ts';

const { pool, priority, strategy, targets, versionRange, affinityKey, tags, input } = SubmitTaskInput.shape;
/** A task as it would be submitted, as far as rules look at it. */
export const TryRulesInput = z.strictObject({
  capability: CapabilityName,
  versionRange,
  input,
  pool,
  priority,
  strategy,
  affinityKey,
  targets,
  tags,
});

/** What would become of a task, and what each rule makes of it. */
export type RulesTried = {
  readonly routed: Routed | undefined;
  /** Of the task, with what the rule adds. */
  readonly route: Route;
  readonly trials: readonly RuleTrial[];
};

/** Which rule a task would come under if it were submitted now. Records nothing. */
export const tryRules = async (
  commands: Pick<Commands, 'routing'>,
  { tenant }: Pick<Caller, 'tenant'>,
  body: unknown,
): Promise<RulesTried> => {
  const task = parseInput(TryRulesInput, body);
  const rules = (await commands.routing?.current(tenant)) ?? NO_RULE_SET;
  const stated = routeOf(task);
  const submission: Submission = { ...task, tenant, stated, key: task.affinityKey };
  const routed = rules.route(submission);
  const route: Route = { strategy: DEFAULT_STRATEGY, ...stated, ...routed?.route };
  return { routed, route, trials: rules.explain(submission) };
};
