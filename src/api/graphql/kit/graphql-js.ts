/**
 * What we use of graphql-js at run time, from the file that Node and the libraries take too. Vite, under the tests, would take the
 * package's other build for our own imports, and graphql-js refuses to work with two copies of itself.
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
