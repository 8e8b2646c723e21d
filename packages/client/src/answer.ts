import { BatonError, type Issue } from './error.ts';

type GraphQLError = {
  readonly message: string;
  readonly extensions?: { readonly code?: unknown; readonly issues?: unknown; readonly retryAfter?: unknown };
};
type Answer = { readonly data?: unknown; readonly errors?: readonly [GraphQLError, ...GraphQLError[]] };

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isIssue = (value: unknown): value is Issue =>
  isObject(value) && ['pointer', 'code', 'message'].every((name) => typeof value[name] === 'string');

const isError = (value: unknown): boolean =>
  isObject(value) &&
  typeof value['message'] === 'string' &&
  (value['extensions'] === undefined || isObject(value['extensions']));

const isAnswer = (value: unknown): value is Answer => {
  if (!isObject(value)) return false;
  const { errors } = value;
  if (errors === undefined) return value['data'] !== undefined;
  return Array.isArray(errors) && errors.length > 0 && errors.every(isError);
};

const errorOf = ({ message, extensions }: GraphQLError, url: string): BatonError => {
  const { code, issues, retryAfter } = extensions ?? {};
  return new BatonError(typeof code === 'string' ? code : 'ERROR', message, {
    url,
    issues: Array.isArray(issues) ? issues.filter(isIssue) : [],
    retryAfterSeconds: typeof retryAfter === 'number' ? retryAfter : undefined,
  });
};

/** The data of a GraphQL answer; undefined when the text is not one. Errors: `BatonError` with the first error of the answer. */
export const dataOf = (text: string, url: string): unknown => {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isAnswer(answer)) return undefined;
  if (answer.errors !== undefined) throw errorOf(answer.errors[0], url);
  return answer.data;
};
