import type { GraphQLResolveInfo } from 'graphql';
import { badInput, type Caller } from '../../../commands/context.ts';
import { AppError } from '../../../platform/errors.ts';
import type { ApiContext } from './context.ts';

export type WithoutNulls<T> = T extends readonly (infer Item)[]
  ? WithoutNulls<Item>[]
  : T extends object
    ? { [Key in keyof T]: WithoutNulls<Exclude<T[Key], null>> }
    : T;

/** Fields whose value is the caller's own JSON, where null means null. */
const OPAQUE: ReadonlySet<string> = new Set([
  'input',
  'inputs',
  'payload',
  'definition',
  'mapping',
  'labels',
  'checkpoint',
]);

/** Treats null as absent: many clients send null for a variable that is not set. */
export const withoutNulls = <T>(value: T): WithoutNulls<T> => {
  if (Array.isArray(value)) return value.map(withoutNulls) as WithoutNulls<T>;
  if (value === null || typeof value !== 'object') return value as WithoutNulls<T>;
  const entries = Object.entries(value)
    .filter(([, member]) => member !== null)
    .map(([key, member]) => [key, OPAQUE.has(key) ? member : withoutNulls(member)] as const);
  return Object.fromEntries(entries) as WithoutNulls<T>;
};

/** The argument of every command. */
export const KEY = { description: 'Idempotency key: the same key and input return the same outcome.' } as const;

/**
 * The caller of this field, with its idempotency key. The argument wins over the request's `Idempotency-Key` header. The header is for
 * the whole request, so a field under an alias gets a key of its own.
 */
export const callerFor = (
  context: ApiContext,
  { idempotencyKey }: { readonly idempotencyKey?: string | null | undefined },
  info: Pick<GraphQLResolveInfo, 'fieldName' | 'path'>,
): Caller => {
  if (typeof idempotencyKey === 'string') return { ...context.caller, idempotencyKey };
  const alias = String(info.path.key);
  const header = context.caller.idempotencyKey;
  if (header === undefined || alias === info.fieldName) return context.caller;
  return { ...context.caller, idempotencyKey: `${header}/${alias}` };
};

const KEY_POINTER = '/idempotencyKey';

/** Runs a command whose body is one argument of the field: pointers to what is wrong with the body start at the arguments. */
export const atPointer = async <T>(pointer: string, run: () => Promise<T>): Promise<T> => {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof AppError) || error.issues.length === 0) throw error;
    throw badInput(
      error.issues.map((issue) =>
        issue.pointer === KEY_POINTER ? issue : { ...issue, pointer: `${pointer}${issue.pointer}` },
      ),
    );
  }
};
