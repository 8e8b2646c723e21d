/**
 * The text of a GraphQL operation, with the types of its result and its variables. Documents that graphql-codegen generates with
 * `documentMode: 'string'` are of this type too.
 */
export type TypedDocument<Data, Variables> = {
  toString(): string;
  /** Never set: it carries the types. */
  readonly __apiType?: (variables: Variables) => Data;
};
