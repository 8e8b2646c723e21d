import { z } from 'zod';
import type { Decider } from '../decider.ts';
import { text } from '../json.ts';
import { ok, type Result, rejected } from '../result.ts';
import type { RuleEvent } from './events.ts';
import { MAX_RULES, type RuleBody, type RuleInput } from './rule.ts';

/** A rule as it was set. Its texts were checked then. */
export type Rule = Extract<RuleEvent, { type: 'RoutingRuleSet' }>['data'];

/** The rules of a tenant. */
export type Rules = {
  readonly rules: ReadonlyMap<string, Rule>;
  /** Last versions of rules that were removed: a version names one content for ever. */
  readonly removed: ReadonlyMap<string, number>;
};

export const NO_RULES: Rules = { rules: new Map(), removed: new Map() };

export const RuleReasonInput = z.strictObject({ reason: text({ max: 1_000 }).optional() });

export type RuleCommand =
  | { readonly type: 'SetRoutingRule'; readonly rule: RuleInput; readonly now: string }
  | {
      readonly type: 'EnableRoutingRule' | 'DisableRoutingRule' | 'RemoveRoutingRule';
      readonly name: string;
      readonly reason?: string | undefined;
      readonly now: string;
    };

export type RuleRejection =
  | { readonly reason: 'RuleNotFound' }
  | { readonly reason: 'RuleAlreadyEnabled' }
  | { readonly reason: 'RuleAlreadyDisabled' }
  | { readonly reason: 'TooManyRules'; readonly limit: number };

type Decision = Result<RuleEvent[], RuleRejection>;

/** Without what is absent: the log holds no undefined. */
const factsOf = <Part extends object>(part: Part): Part =>
  Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined)) as Part;

const contentOf = ({ name, ...body }: RuleInput) => {
  const { variants, ...rule }: RuleBody = body;
  return { name, ...factsOf(rule), ...(variants === undefined ? {} : { variants: variants.map(factsOf) }) };
};

const inOneOrder = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(inOneOrder);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, inOneOrder(member)]),
  );
};

const isSame = (left: unknown, right: unknown): boolean =>
  JSON.stringify(inOneOrder(left)) === JSON.stringify(inOneOrder(right));

const set = (input: RuleInput, now: string, { rules, removed }: Rules): Decision => {
  const present = rules.get(input.name);
  if (present === undefined && rules.size >= MAX_RULES) return rejected({ reason: 'TooManyRules', limit: MAX_RULES });
  const content = contentOf(input);
  if (present !== undefined) {
    const { version: _, setAt: __, ...before } = present;
    if (isSame(before, content)) return ok([]);
  }
  const version = (present?.version ?? removed.get(input.name) ?? 0) + 1;
  return ok([{ type: 'RoutingRuleSet', data: { ...content, version, setAt: now } }]);
};

const decide = (command: RuleCommand, state: Rules): Decision => {
  if (command.type === 'SetRoutingRule') return set(command.rule, command.now, state);
  const rule = state.rules.get(command.name);
  if (rule === undefined) return rejected({ reason: 'RuleNotFound' });
  const { reason, now } = command;
  const facts = { name: rule.name, version: rule.version, ...(reason === undefined ? {} : { reason }) };
  switch (command.type) {
    case 'EnableRoutingRule':
      return rule.enabled
        ? rejected({ reason: 'RuleAlreadyEnabled' })
        : ok([{ type: 'RoutingRuleEnabled', data: { ...facts, enabledAt: now } }]);
    case 'DisableRoutingRule':
      return rule.enabled
        ? ok([{ type: 'RoutingRuleDisabled', data: { ...facts, disabledAt: now } }])
        : rejected({ reason: 'RuleAlreadyDisabled' });
    case 'RemoveRoutingRule':
      return ok([{ type: 'RoutingRuleRemoved', data: { ...facts, removedAt: now } }]);
  }
};

const without = <Value>(map: ReadonlyMap<string, Value>, key: string): Map<string, Value> => {
  const rest = new Map(map);
  rest.delete(key);
  return rest;
};

const switched = ({ rules, removed }: Rules, name: string, enabled: boolean): Rules => {
  const rule = rules.get(name);
  return rule === undefined ? { rules, removed } : { rules: new Map(rules).set(name, { ...rule, enabled }), removed };
};

export const evolveRules = (state: Rules, event: RuleEvent): Rules => {
  const { name, version } = event.data;
  switch (event.type) {
    case 'RoutingRuleSet':
      return { rules: new Map(state.rules).set(name, event.data), removed: without(state.removed, name) };
    case 'RoutingRuleEnabled':
      return switched(state, name, true);
    case 'RoutingRuleDisabled':
      return switched(state, name, false);
    case 'RoutingRuleRemoved':
      return { rules: without(state.rules, name), removed: new Map(state.removed).set(name, version) };
  }
};

export const rulesDecider: Decider<Rules, RuleCommand, RuleEvent, RuleRejection> = {
  initialState: () => NO_RULES,
  decide,
  evolve: evolveRules,
};
