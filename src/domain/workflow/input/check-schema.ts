import { byteLengthOf, isDeeperThan, type Json } from '../../json.ts';
import { pointerPart } from '../../json-pointer.ts';
import {
  FORMATS,
  isKeyword,
  isObject,
  KEYWORDS,
  type Keyword,
  referredName,
  type Schema,
  type SchemaObject,
  TYPES,
} from './keywords.ts';

/** Annotations may be there too; the list of all would be longer than a message may be. */
const CHECKING = Object.keys(KEYWORDS).filter((name) => KEYWORDS[name as Keyword] !== 'annotation');

/** A schema is part of its definition, and so of the first event of each execution. */
export const MAX_SCHEMA_BYTES = 32_768;
export const MAX_SCHEMA_DEPTH = 32;

type Report = (pointer: string, code: string, message: string) => undefined;
type Context = { readonly root: SchemaObject; readonly report: Report };
type Check = (value: Json, pointer: string, context: Context) => undefined;

const shape =
  (code: string, message: string, isRight: (value: Json) => boolean): Check =>
  (value, pointer, { report }) => {
    if (!isRight(value)) report(pointer, code, message);
  };

const isCount = (value: Json): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isNames = (value: Json): boolean => Array.isArray(value) && value.every((name) => typeof name === 'string');
const isTypes = (value: Json): boolean => {
  const types = Array.isArray(value) ? value : [value];
  return types.length > 0 && types.every((type) => TYPES.includes(type as (typeof TYPES)[number]));
};

const CHECKS: Readonly<Record<(typeof KEYWORDS)[Keyword], Check>> = {
  annotation: () => undefined,
  value: () => undefined,
  values: shape('WRONG_TYPE', 'must be a list of values', Array.isArray),
  names: shape('WRONG_TYPE', 'must be a list of names', isNames),
  flag: shape('WRONG_TYPE', 'must be true or false', (value) => typeof value === 'boolean'),
  count: shape('OUT_OF_RANGE', 'must be a whole number from 0 on', isCount),
  number: shape('WRONG_TYPE', 'must be a number', (value) => typeof value === 'number'),
  'positive number': shape(
    'OUT_OF_RANGE',
    'must be a number above 0',
    (value) => typeof value === 'number' && value > 0,
  ),
  types: shape('NOT_ALLOWED', `must be one of ${TYPES.join(', ')}, or a list of them`, isTypes),
  format: shape('NOT_ALLOWED', `must be one of ${FORMATS.join(', ')}`, (value) =>
    FORMATS.includes(value as (typeof FORMATS)[number]),
  ),
  reference(value, pointer, { root, report }) {
    const name = referredName(value);
    if (name === undefined)
      report(pointer, 'REFERENCE_NOT_ALLOWED', 'must be a reference within the schema, such as #/$defs/address');
    else if (!isObject(root['$defs']) || !Object.hasOwn(root['$defs'], name))
      report(pointer, 'UNKNOWN_REFERENCE', `there is no ${name} in the $defs of the schema`);
  },
  schema: (value, pointer, context) => checkSchema(value, pointer, context),
  schemas(value, pointer, context) {
    if (!Array.isArray(value) || value.length === 0)
      return context.report(pointer, 'WRONG_TYPE', 'must be a list of at least one schema');
    for (const [index, schema] of value.entries()) checkSchema(schema, `${pointer}/${index}`, context);
  },
  'schemas by name'(value, pointer, context) {
    if (!isObject(value)) return context.report(pointer, 'WRONG_TYPE', 'must be an object of schemas');
    for (const [name, schema] of Object.entries(value)) checkSchema(schema, `${pointer}${pointerPart(name)}`, context);
  },
};

const checkSchema = (schema: Json, pointer: string, context: Context): undefined => {
  if (typeof schema === 'boolean') return;
  if (!isObject(schema)) return context.report(pointer, 'WRONG_TYPE', 'must be a schema: an object, true or false');
  for (const [name, value] of Object.entries(schema)) {
    const at = `${pointer}${pointerPart(name)}`;
    if (!isKeyword(name)) context.report(at, 'KEYWORD_NOT_ALLOWED', `allowed keywords are ${CHECKING.join(', ')}`);
    else if (name === '$defs' && schema !== context.root)
      context.report(at, 'KEYWORD_NOT_ALLOWED', '$defs is only allowed at the top of the schema');
    else CHECKS[KEYWORDS[name]](value, at, context);
  }
};

/** Schemas that look at the same value as this one. */
const inPlace = (schema: Schema, definitions: SchemaObject): Schema[] => {
  if (typeof schema === 'boolean') return [];
  const { $ref, not, allOf = [], anyOf = [], oneOf = [] } = schema;
  const name = referredName($ref);
  return [
    ...(name === undefined ? [] : [definitions[name] as Schema]),
    ...(not === undefined ? [] : [not as Schema]),
    ...[allOf, anyOf, oneOf].flatMap((schemas) => schemas as unknown as Schema[]),
  ];
};

/** A definition that leads back to itself without a step into the value: its check would never end. */
const loopIn = (definitions: SchemaObject): string | undefined => {
  const done = new Set<Schema>();
  const open = new Set<Schema>();
  const loops = (schema: Schema): boolean => {
    if (open.has(schema)) return true;
    if (typeof schema === 'boolean' || done.has(schema)) return false;
    open.add(schema);
    const found = inPlace(schema, definitions).some(loops);
    open.delete(schema);
    done.add(schema);
    return found;
  };
  return Object.keys(definitions).find((name) => loops(definitions[name] as Schema));
};

/** What is wrong with a schema, by JSON pointer from `pointer` on. */
export const checkInputSchema = (schema: Json, pointer: string, report: Report): undefined => {
  if (!isObject(schema)) return report(pointer, 'WRONG_TYPE', 'must be a JSON Schema, an object');
  const bytes = byteLengthOf(schema);
  if (bytes > MAX_SCHEMA_BYTES)
    return report(pointer, 'TOO_LARGE', `at most ${MAX_SCHEMA_BYTES} bytes of JSON, got ${bytes}`);
  if (isDeeperThan(MAX_SCHEMA_DEPTH, schema))
    return report(pointer, 'TOO_DEEP', `more than ${MAX_SCHEMA_DEPTH} levels`);
  let isSound = true;
  const reportAll: Report = (...issue) => {
    isSound = false;
    return report(...issue);
  };
  checkSchema(schema, pointer, { root: schema, report: reportAll });
  const loop = isSound && isObject(schema['$defs']) ? loopIn(schema['$defs']) : undefined;
  if (loop !== undefined)
    report(
      `${pointer}/$defs${pointerPart(loop)}`,
      'CIRCULAR_REFERENCE',
      'refers to itself without a step into the value, so its check would not end',
    );
};
