import type {
  ASTVisitor,
  DocumentNode,
  FragmentDefinitionNode,
  GraphQLSchema,
  OperationDefinitionNode,
  SelectionSetNode,
  ValidationContext,
  ValidationRule,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { badInput } from '../../../commands/context.ts';
import { answerOfEdge, type EdgeCode, EdgeError, isEdgeCode } from '../../errors.ts';
import { isIntrospection, operationCost } from './cost.ts';
import { extensionsOf } from './errors.ts';
import { GraphQLError, Kind, Lexer, Source, TokenKind } from './graphql-js.ts';
import { variableIssues } from './variable-issues.ts';

/** Limits of one operation. A query of the console for 100 tasks with their timelines stays far below. */
export const LIMITS = {
  tokens: 1_000,
  depth: 8,
  aliases: 15,
  directives: 10,
  cost: 5_000,
} as const;

/** Text with deeper braces is refused before it is parsed. Introspection, which has no depth limit, needs 13. */
const MAX_BRACES = 32;
const refused = (code: EdgeCode, what: string, limit: number, seen: number | string): EdgeError =>
  new EdgeError(code, `${what}: at most ${limit}, got ${seen}`, { limit, seen });

/** Counts tokens and braces of selection sets, so that a huge text is refused before a tree is built of it. */
export const checkText = (text: string): void => {
  const lexer = new Lexer(new Source(text));
  let braces = 0;
  let parentheses = 0;
  for (let tokens = 0; lexer.advance().kind !== TokenKind.EOF; tokens += 1) {
    if (tokens >= LIMITS.tokens) throw refused('QUERY_TOO_LARGE', 'tokens in the query', LIMITS.tokens, 'more');
    const { kind } = lexer.token;
    if (kind === TokenKind.PAREN_L) parentheses += 1;
    else if (kind === TokenKind.PAREN_R) parentheses -= 1;
    else if (parentheses > 0) continue;
    else if (kind === TokenKind.BRACE_L) braces += 1;
    else if (kind === TokenKind.BRACE_R) braces -= 1;
    if (braces > MAX_BRACES)
      throw refused('QUERY_TOO_DEEP', 'levels of the query', LIMITS.depth, `more than ${LIMITS.depth}`);
  }
};

const asGraphQLError = (error: EdgeError): GraphQLError =>
  new GraphQLError(error.message, { extensions: extensionsOf(answerOfEdge(error)) });

/** Levels of fields below a selection set, with its fragments; introspection does not count. */
const depthOf = (
  set: SelectionSetNode | undefined,
  fragmentOf: (name: string) => FragmentDefinitionNode | null | undefined,
  known: Map<string, number>,
): number => {
  let deepest = 0;
  for (const selection of set?.selections ?? []) {
    if (selection.kind === Kind.FIELD) {
      if (!isIntrospection(selection))
        deepest = Math.max(deepest, 1 + depthOf(selection.selectionSet, fragmentOf, known));
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      deepest = Math.max(deepest, depthOf(selection.selectionSet, fragmentOf, known));
    } else {
      const name = selection.name.value;
      if (!known.has(name)) {
        known.set(name, 0); // a rule of GraphQL itself refuses cycles; here the recursion only has to end
        known.set(name, depthOf(fragmentOf(name)?.selectionSet, fragmentOf, known));
      }
      deepest = Math.max(deepest, known.get(name) as number);
    }
  }
  return deepest;
};

/** Depth, aliases and directives of a document. Its result is cached with the document. */
export const shapeRule =
  (options: { readonly introspection: boolean }): ValidationRule =>
  (context: ValidationContext): ASTVisitor => {
    let aliases = 0;
    let directives = 0;
    const report = (error: EdgeError): void => context.reportError(asGraphQLError(error));
    const known = new Map<string, number>();
    return {
      Directive() {
        directives += 1;
      },
      Field(field) {
        if (field.alias) aliases += 1;
        if (!options.introspection && isIntrospection(field))
          report(new EdgeError('INTROSPECTION_OFF', 'introspection is switched off on this server'));
      },
      StringValue(node) {
        if (node.value.includes('\u0000'))
          report(new EdgeError('INVALID_CHARACTER', 'a string in the query contains U+0000'));
        if (!node.value.isWellFormed())
          report(new EdgeError('INVALID_UNICODE', 'a string in the query contains a lone surrogate'));
      },
      OperationDefinition(operation) {
        const depth = depthOf(operation.selectionSet, (name) => context.getFragment(name), known);
        if (depth > LIMITS.depth) report(refused('QUERY_TOO_DEEP', 'levels of the query', LIMITS.depth, depth));
      },
      Document: {
        leave() {
          if (aliases > LIMITS.aliases)
            report(refused('TOO_MANY_ALIASES', 'aliases in the query', LIMITS.aliases, aliases));
          if (directives > LIMITS.directives)
            report(refused('TOO_MANY_DIRECTIVES', 'directives in the query', LIMITS.directives, directives));
        },
      },
    };
  };

const operationsOf = (document: DocumentNode): OperationDefinitionNode[] =>
  document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);

type Execution = {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operationName?: string | null | undefined;
  readonly variableValues?: Readonly<Record<string, unknown>> | null | undefined;
};

const checkExecution = ({ schema, document, operationName, variableValues }: Execution): void => {
  const operations = operationsOf(document);
  const chosen = operationName
    ? operations.find((operation) => operation.name?.value === operationName)
    : operations.length === 1
      ? operations[0]
      : undefined;
  if (!chosen)
    throw new EdgeError(
      'OPERATION_NAME_REQUIRED',
      operationName
        ? `there is no operation ${JSON.stringify(operationName)} in the document`
        : `the document has ${operations.length} operations: name the one to run`,
    );
  const cost = operationCost(schema, document, chosen, variableValues ?? {});
  if (cost > LIMITS.cost) throw refused('QUERY_TOO_COSTLY', 'cost of the query', LIMITS.cost, cost);
  // Before the executor does it, which would print the whole value for each of fifty mistakes.
  const issues = variableIssues(schema, chosen, variableValues ?? {});
  if (issues.length > 0) throw badInput(issues);
};

/** Refuses what would cost too much to parse, validate or execute; the same for HTTP and WebSocket. */
export const useLimits = (options: { readonly introspection: boolean }): Plugin => {
  const rule = shapeRule(options);
  return {
    onParse({ params }) {
      checkText(String(params.source instanceof Source ? params.source.body : params.source));
    },
    onValidate({ addValidationRule }) {
      addValidationRule(rule);
      // Errors about limits are reported alone: corrections of names would only add noise.
      return ({ result, setResult }) => {
        const limits = (result as readonly GraphQLError[]).filter(({ extensions }) => isEdgeCode(extensions['code']));
        if (limits.length > 0) setResult(limits);
      };
    },
    onExecute({ args }) {
      checkExecution(args as Execution);
    },
    onSubscribe({ args }) {
      checkExecution(args as Execution);
    },
  };
};
