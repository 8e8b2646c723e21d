import { z } from 'zod';
import type { Json } from '../../json.ts';
import { pointerOf } from '../../json-pointer.ts';
import { Budget, BudgetExceeded, ERROR_STEPS, MAX_EVALUATION_STEPS } from '../budget.ts';
import { type FORMATS, isObject, referredName, type Schema, type SchemaObject, type TYPES } from './keywords.ts';

/** One way in which an input does not fit its schema, by JSON pointer into the input. */
export type InputMismatch = { readonly pointer: string; readonly code: string; readonly message: string };

/** More are not described. */
const MAX_MISMATCHES = 20;
/** Schemas within schemas on the way to one value. Deeper ones would end on the stack. */
const MAX_NESTING = 500;
/** Characters that are compared in the time of one step. */
const CHARACTERS_PER_STEP = 16;
/** Longer texts are not what a format describes. */
const MAX_FORMATTED = 2_000;

const FORMAT_CHECKS: Readonly<Record<(typeof FORMATS)[number], z.ZodType>> = {
  'date-time': z.iso.datetime({ offset: true }),
  date: z.iso.date(),
  uuid: z.guid(),
  email: z.email(),
  uri: z.url(),
};

type Type = (typeof TYPES)[number];

const isOfType = (value: Json, type: Type): boolean => {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isObject(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
};

const MAX_QUOTED = 60;
const cut = (text: string): string => (text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED - 1)}…` : text);
const named = (value: Json): string => {
  if (Array.isArray(value)) return 'a list';
  return isObject(value)
    ? 'an object'
    : cut(JSON.stringify(typeof value === 'string' ? value.slice(0, MAX_QUOTED) : value));
};

/** Where a value is in the input, from the inside out: most places are never written as a pointer. */
type Place = { readonly key: string | number; readonly within: Place | undefined };

const pathTo = (place: Place | undefined): (string | number)[] =>
  place === undefined ? [] : [...pathTo(place.within), place.key];

/** Described only when somebody reads it: most of what alternatives find is dropped. */
type Finding = { readonly place: Place | undefined; readonly code: string; readonly describe: () => string };

/** The same for equal values, whatever the order of their members. */
const keyOf = (value: Json, budget: Budget): string => {
  budget.takeSteps(1);
  if (Array.isArray(value)) return `[${value.map((item: Json) => keyOf(item, budget)).join()}]`;
  if (!isObject(value)) {
    const key = JSON.stringify(value);
    budget.takeSteps(Math.floor(key.length / CHARACTERS_PER_STEP));
    return key;
  }
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${keyOf(value[name] as Json, budget)}`).join()}}`;
};

type Bound = readonly [keyword: string, isMet: (size: number, limit: number) => boolean, words: string];

const NUMBER_BOUNDS: readonly Bound[] = [
  ['minimum', (size, limit) => size >= limit, 'must be at least'],
  ['maximum', (size, limit) => size <= limit, 'must be at most'],
  ['exclusiveMinimum', (size, limit) => size > limit, 'must be above'],
  ['exclusiveMaximum', (size, limit) => size < limit, 'must be below'],
];
const boundsOf = (what: string): readonly Bound[] => [
  [`min${what}`, (size, limit) => size >= limit, 'must have at least'],
  [`max${what}`, (size, limit) => size <= limit, 'must have at most'],
];
const LENGTH_BOUNDS = boundsOf('Length');
const ITEM_BOUNDS = boundsOf('Items');
const MEMBER_BOUNDS = boundsOf('Properties');

/** One check of a value against a schema: every visit of a schema at a value is a step. */
class Checking {
  readonly found: Finding[] = [];

  constructor(
    private readonly definitions: SchemaObject,
    private readonly budget: Budget,
    private nesting = 0,
  ) {}

  #add(place: Place | undefined, code: string, describe: () => string): void {
    if (this.found.length < MAX_MISMATCHES) this.found.push({ place, code, describe });
  }

  check(schema: Schema, value: Json, place: Place | undefined): void {
    this.budget.takeSteps(1);
    if (schema === true) return;
    if (schema === false) this.#add(place, 'NOT_ALLOWED', () => 'is not allowed here');
    else this.#checkObject(schema, value, place);
  }

  #checkObject(schema: SchemaObject, value: Json, place: Place | undefined): void {
    if (++this.nesting > MAX_NESTING) throw new BudgetExceeded();
    this.#values(schema, value, place);
    if (typeof value === 'number') this.#number(schema, value, place);
    else if (typeof value === 'string') this.#text(schema, value, place);
    else if (Array.isArray(value)) this.#list(schema, value, place);
    else if (isObject(value)) this.#object(schema, value, place);
    this.#combined(schema, value, place);
    this.nesting -= 1;
  }

  #values({ type, enum: allowed, const: only }: SchemaObject, value: Json, place: Place | undefined): void {
    const types = (type === undefined ? [] : [type].flat()) as readonly Type[];
    if (types.length > 0 && !types.some((one) => isOfType(value, one)))
      this.#add(place, 'WRONG_TYPE', () => `must be of type ${types.join(' or ')}, got ${named(value)}`);
    const values = (only === undefined ? allowed : [only]) as readonly Json[] | undefined;
    if (values === undefined) return;
    if (!this.#isAmong(values, value))
      this.#add(
        place,
        'NOT_ALLOWED',
        () =>
          `must be ${values.length === 1 ? '' : 'one of '}${cut(values.map((one) => JSON.stringify(one)).join(', '))}, got ${named(value)}`,
      );
  }

  #isAmong(values: readonly Json[], value: Json): boolean {
    this.budget.takeSteps(Math.ceil(values.length / CHARACTERS_PER_STEP));
    if (value === null || typeof value !== 'object') return values.includes(value);
    const key = keyOf(value, this.budget);
    return values.some((one) => one !== null && typeof one === 'object' && keyOf(one, this.budget) === key);
  }

  #bounds(bounds: readonly Bound[], schema: SchemaObject, size: number, place: Place | undefined, unit = ''): void {
    for (const [keyword, isMet, words] of bounds) {
      const limit = schema[keyword];
      if (typeof limit === 'number' && !isMet(size, limit))
        this.#add(place, 'OUT_OF_RANGE', () => `${words} ${limit}${unit}, got ${size}`);
    }
  }

  #number(schema: SchemaObject, value: number, place: Place | undefined): void {
    this.#bounds(NUMBER_BOUNDS, schema, value, place);
    const { multipleOf } = schema;
    if (typeof multipleOf !== 'number') return;
    const times = value / multipleOf;
    // 0.3 is three times 0.1, which binary fractions only come close to.
    if (Math.abs(times - Math.round(times)) > Math.abs(times) * Number.EPSILON * 4)
      this.#add(place, 'OUT_OF_RANGE', () => `must be a multiple of ${multipleOf}, got ${value}`);
  }

  #text(schema: SchemaObject, value: string, place: Place | undefined): void {
    if (schema['minLength'] !== undefined || schema['maxLength'] !== undefined) {
      this.budget.takeSteps(Math.floor(value.length / CHARACTERS_PER_STEP));
      this.#bounds(LENGTH_BOUNDS, schema, [...value].length, place, ' characters');
    }
    const format = schema['format'] as (typeof FORMATS)[number] | undefined;
    if (format === undefined) return;
    this.budget.takeSteps(ERROR_STEPS);
    if (value.length > MAX_FORMATTED || !FORMAT_CHECKS[format].safeParse(value).success)
      this.#add(place, 'BAD_FORMAT', () => `must be of format ${format}, got ${named(value)}`);
  }

  #list(schema: SchemaObject, value: readonly Json[], place: Place | undefined): void {
    this.#bounds(ITEM_BOUNDS, schema, value.length, place, ' items');
    const first = (schema['prefixItems'] ?? []) as unknown as readonly Schema[];
    const rest = schema['items'] as Schema | undefined;
    for (const [index, item] of value.entries()) {
      const own = index < first.length ? first[index] : rest;
      if (own !== undefined) this.check(own, item, { key: index, within: place });
    }
    if (schema['uniqueItems'] === true && new Set(value.map((item) => keyOf(item, this.budget))).size < value.length)
      this.#add(place, 'NOT_UNIQUE', () => 'must not have the same item twice');
  }

  #object(schema: SchemaObject, value: { readonly [key: string]: Json }, place: Place | undefined): void {
    const names = Object.keys(value);
    this.#bounds(MEMBER_BOUNDS, schema, names.length, place, ' members');
    for (const name of (schema['required'] ?? []) as readonly string[]) {
      this.budget.takeSteps(1);
      if (!Object.hasOwn(value, name)) this.#add({ key: name, within: place }, 'REQUIRED', () => 'is missing');
    }
    const properties = (schema['properties'] ?? {}) as SchemaObject;
    const others = schema['additionalProperties'] as Schema | undefined;
    this.budget.takeSteps(names.length);
    for (const name of names) {
      const at = { key: name, within: place };
      if (Object.hasOwn(properties, name)) this.check(properties[name] as Schema, value[name] as Json, at);
      else if (others === false)
        this.#add(
          at,
          'UNKNOWN_FIELD',
          () => `is not one of ${cut(Object.keys(properties).join(', ')) || 'the known members'}`,
        );
      else if (others !== undefined) this.check(others, value[name] as Json, at);
    }
  }

  /** What another schema finds at the same place. */
  #apart(schema: Schema, value: Json, place: Place | undefined): readonly Finding[] {
    const other = new Checking(this.definitions, this.budget, this.nesting);
    other.check(schema, value, place);
    return other.found;
  }

  #combined({ $ref, allOf, anyOf, oneOf, not }: SchemaObject, value: Json, place: Place | undefined): void {
    const name = referredName($ref);
    if (name !== undefined) this.check(this.definitions[name] as Schema, value, place);
    for (const schema of (allOf ?? []) as unknown as readonly Schema[]) this.check(schema, value, place);
    if (anyOf !== undefined) this.#some('anyOf', anyOf as unknown as readonly Schema[], value, place);
    if (oneOf !== undefined) this.#some('oneOf', oneOf as unknown as readonly Schema[], value, place);
    if (not !== undefined && this.#apart(not as Schema, value, place).length === 0)
      this.#add(place, 'NOT_ALLOWED', () => 'must not match the schema of `not`');
  }

  #some(keyword: 'anyOf' | 'oneOf', schemas: readonly Schema[], value: Json, place: Place | undefined): void {
    const tries = schemas.map((schema) => this.#apart(schema, value, place));
    const matches = tries.filter((found) => found.length === 0).length;
    if (matches === 0) {
      const why = ({ place: at, describe }: Finding) =>
        `${pointerOf(pathTo(at).slice(pathTo(place).length))} ${describe()}`.trim();
      const first = tries.slice(0, 3).flatMap(([one]) => one ?? []);
      this.#add(
        place,
        'NO_MATCH',
        () => `matches none of the ${schemas.length} schemas of ${keyword}: ${first.map(why).join('; or ')}`,
      );
    } else if (matches > 1 && keyword === 'oneOf')
      this.#add(place, 'MANY_MATCHES', () => `matches ${matches} schemas of oneOf, and may match only one`);
  }
}

/**
 * How an input does not fit a schema that passed `checkInputSchema`; empty when it fits. Takes as many steps as an expression may, and ends at the
 * same place wherever it runs.
 */
export const mismatchesOf = (schema: SchemaObject, input: Json): readonly InputMismatch[] => {
  const checking = new Checking((schema['$defs'] ?? {}) as SchemaObject, new Budget());
  try {
    checking.check(schema, input, undefined);
    return checking.found.map(({ place, code, describe }) => ({
      pointer: pointerOf(pathTo(place)),
      code,
      message: describe(),
    }));
  } catch (error) {
    if (!(error instanceof BudgetExceeded)) throw error;
    const message = `its check against the schema takes more than ${MAX_EVALUATION_STEPS} steps: let it, or the schema, be smaller`;
    return [{ pointer: '', code: 'TOO_MUCH_TO_CHECK', message }];
  }
};
