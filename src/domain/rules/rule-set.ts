import type { Rule, Rules } from './decider.ts';
import { type Predicate, parsePredicate, type TaskFacts } from './predicate.ts';
import { type Route, routeOf } from './rule.ts';
import type { RuleRef } from './rule-ref.ts';
import { variantOf } from './split.ts';

/** A task that is being submitted. */
export type Submission = TaskFacts & {
  /** What it says itself about its agent: a rule that would say something else is passed over. */
  readonly stated: Route;
  /** What tasks of one variant have in common, where the rule does not say; undefined before it is known. */
  readonly key: string | undefined;
};

/** What became of a task. */
export type Routed = {
  readonly rule: RuleRef;
  readonly route: Route;
  /** The rule has variants, and which one it is depends on a key that is not known yet: this is what holds without one. */
  readonly variantOpen?: true;
};

export const RULE_OUTCOMES = ['chosen', 'disabled', 'no_match', 'error', 'task_states_it', 'after_the_chosen'] as const;

/** What one rule makes of a task. */
export type RuleTrial = {
  readonly rule: Rule;
  readonly outcome: (typeof RULE_OUTCOMES)[number];
  /** Why its condition could not be evaluated. */
  readonly error?: string;
};

type Compiled = {
  readonly rule: Rule;
  readonly when: Predicate | undefined;
  readonly splitBy: Predicate | undefined;
  /** What it may set, in some variant. */
  readonly sets: readonly (keyof Route)[];
};

/** Longer ones count as far as this. */
const MAX_KEY = 200;

/** The higher priority comes first; of two with one priority that whose name is the lower. */
export const compareRules = (left: Rule, right: Rule): number =>
  right.priority - left.priority || (left.name < right.name ? -1 : 1);

/** What a later build accepted and this one cannot read never matches. */
const predicateOf = (text: string, kind: 'condition' | 'key'): Predicate | undefined => {
  const parsed = parsePredicate(text, kind);
  return parsed.ok ? parsed.value : undefined;
};

const compile = (rule: Rule): Compiled => ({
  rule,
  when: predicateOf(rule.when, 'condition'),
  splitBy: rule.splitBy === undefined ? undefined : predicateOf(rule.splitBy, 'key'),
  sets: [
    ...new Set([rule, ...(rule.variants ?? [])].flatMap((part) => Object.keys(routeOf(part as Route)))),
  ] as (keyof Route)[],
});

/** What the rule splits its tasks by; the key of the task where that is no text and no number. */
const keyOf = ({ splitBy }: Compiled, submission: Submission): string | undefined => {
  const result = splitBy?.evaluate(submission);
  if (!result?.ok) return submission.key;
  const { value } = result;
  const isKey =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';
  return isKey ? String(value).slice(0, MAX_KEY) : submission.key;
};

const routedBy = (compiled: Compiled, submission: Submission): Routed => {
  const { rule } = compiled;
  const { name, version, variants } = rule;
  const key = variants && keyOf(compiled, submission);
  const variant = variants && key !== undefined ? variantOf(variants, name, key) : undefined;
  return {
    ...(variants && key === undefined ? { variantOpen: true } : {}),
    rule: { name, version, ...(variant === undefined ? {} : { variant: variant.name }) },
    route: { ...routeOf(rule as Route), ...(variant === undefined ? {} : routeOf(variant as Route)) },
  };
};

/** The rules of a tenant, ready to be asked. */
export class RuleSet {
  readonly #compiled: readonly Compiled[];

  constructor({ rules }: Rules) {
    this.#compiled = [...rules.values()].sort(compareRules).map(compile);
  }

  /** What the first rule that is enabled and holds of the task says; undefined when there is none. */
  route(submission: Submission): Routed | undefined {
    const chosen = this.#compiled.find((compiled) => this.#try(compiled, submission).outcome === 'chosen');
    return chosen && routedBy(chosen, submission);
  }

  /** What each rule makes of a task, in the order in which they are asked. */
  explain(submission: Submission): readonly RuleTrial[] {
    let isChosen = false;
    return this.#compiled.map((compiled) => {
      const trial = isChosen
        ? { rule: compiled.rule, outcome: 'after_the_chosen' as const }
        : this.#try(compiled, submission);
      isChosen ||= trial.outcome === 'chosen';
      return trial;
    });
  }

  #try({ rule, when, sets }: Compiled, submission: Submission): RuleTrial {
    if (!rule.enabled) return { rule, outcome: 'disabled' };
    if (sets.some((field) => submission.stated[field] !== undefined)) return { rule, outcome: 'task_states_it' };
    if (when === undefined) return { rule, outcome: 'error', error: 'this build cannot read its condition' };
    const result = when.evaluate(submission);
    if (!result.ok) return { rule, outcome: 'error', error: result.rejection };
    return { rule, outcome: result.value === true ? 'chosen' : 'no_match' };
  }
}

export const NO_RULE_SET = new RuleSet({ rules: new Map(), removed: new Map() });
