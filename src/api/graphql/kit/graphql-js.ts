/**
 * What we use of graphql-js at run time, from the same file that Node and the libraries load. In tests Vite would load the package's
 * other build for our own imports, and graphql-js does not work with two copies of itself.
 */
export {
  coerceInputValue,
  GraphQLError,
  getNamedType,
  getNullableType,
  getOperationAST,
  isInputType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  Lexer,
  parse,
  printSchema,
  Source,
  TokenKind,
  typeFromAST,
  validate,
} from 'graphql/index.js';
