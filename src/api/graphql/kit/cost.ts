import type {
  DocumentNode,
  FieldNode,
  FragmentDefinitionNode,
  GraphQLNamedType,
  GraphQLSchema,
  OperationDefinitionNode,
  SelectionSetNode,
} from 'graphql';
import { DEFAULT_PAGE_SIZE, MAX_PAGE } from '../../../projections/page-size.ts';
import { EdgeError } from '../../errors.ts';
import { getNamedType, getNullableType, isListType, isObjectType, Kind } from './graphql-js.ts';

/** Assumed length of a list that has no page size. */
const ASSUMED_LIST_LENGTH = 10;

export const checkPageSize = (first: number): number => {
  if (Number.isInteger(first) && first >= 1 && first <= MAX_PAGE) return first;
  throw new EdgeError('BAD_PAGE_SIZE', `first must be 1 to ${MAX_PAGE}, got ${first}`, { min: 1, max: MAX_PAGE });
};

export const isIntrospection = (field: FieldNode): boolean =>
  field.name.value === '__schema' || field.name.value === '__type';

type CostFacts = {
  readonly schema: GraphQLSchema;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly known: Map<string, number>;
};

/** The page size that a field of a connection asks for. Execution refuses anything but a number. */
const pageSizeOf = (field: FieldNode, facts: CostFacts): number => {
  const value = field.arguments?.find((argument) => argument.name.value === 'first')?.value;
  if (value?.kind === Kind.INT) return checkPageSize(Number(value.value));
  const size = value?.kind === Kind.VARIABLE ? facts.variables[value.name.value] : undefined;
  return typeof size === 'number' ? checkPageSize(size) : DEFAULT_PAGE_SIZE;
};

const costOfField = (
  field: FieldNode,
  parent: GraphQLNamedType,
  page: number | undefined,
  facts: CostFacts,
): number => {
  if (isIntrospection(field) || !field.selectionSet) return isIntrospection(field) ? 0 : 1;
  const definition = 'getFields' in parent ? parent.getFields()[field.name.value] : undefined;
  if (!definition) return 1; // __typename, or a name that validation refuses
  const type = getNamedType(definition.type);
  if (isListType(getNullableType(definition.type)))
    return 1 + (page ?? ASSUMED_LIST_LENGTH) * costOf(field.selectionSet, type, undefined, facts);
  const isPage = isObjectType(type) && type.name.endsWith('Connection');
  return 1 + costOf(field.selectionSet, type, isPage ? pageSizeOf(field, facts) : undefined, facts);
};

/** The most fields that an answer may have: each counts one, and fields inside a list count once per item. */
const costOf = (
  set: SelectionSetNode,
  parent: GraphQLNamedType,
  page: number | undefined,
  facts: CostFacts,
): number => {
  let cost = 0;
  for (const selection of set.selections) {
    if (selection.kind === Kind.FIELD) {
      cost += costOfField(selection, parent, page, facts);
      continue;
    }
    const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : facts.fragments.get(selection.name.value);
    if (!fragment) continue;
    const condition = fragment.typeCondition?.name.value;
    const type = condition === undefined ? parent : (facts.schema.getType(condition) ?? parent);
    const key = fragment.kind === Kind.FRAGMENT_DEFINITION ? `${fragment.name.value} ${page}` : undefined;
    const known = key === undefined ? undefined : facts.known.get(key);
    const part = known ?? costOf(fragment.selectionSet, type, page, facts);
    if (key !== undefined) facts.known.set(key, part);
    cost += part;
  }
  return cost;
};

/** Upper bound of the fields in the answer to a valid operation. */
export const operationCost = (
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): number => {
  const root = schema.getRootType(operation.operation);
  if (!root) return 0;
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  return costOf(operation.selectionSet, root, undefined, { schema, fragments, variables, known: new Map() });
};
