import type { RuleTrial } from '../domain/rules/rule-set.ts';

/** What a rule makes of a task, for people. */
const OUTCOMES: Readonly<Record<RuleTrial['outcome'], string>> = {
  chosen: 'decides',
  disabled: 'is disabled',
  no_match: 'does not hold of the task',
  error: 'does not hold of the task: its condition could not be evaluated',
  task_states_it: 'is passed over: the task says itself what the rule would',
  after_the_chosen: 'is not asked: another one comes first',
};

export const ruleOutcomeText = ({ outcome, error }: RuleTrial): string =>
  `${OUTCOMES[outcome]}${error === undefined ? '' : ` (${error})`}`;
