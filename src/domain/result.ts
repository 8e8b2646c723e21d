/** Outcomes the business knows: a value, or a rejection with a reason. Infrastructure failures throw instead. */
export type Result<Value, Rejection> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly rejection: Rejection };

export const ok = <Value>(value: Value): { readonly ok: true; readonly value: Value } => ({ ok: true, value });

export const rejected = <const Rejection>(
  rejection: Rejection,
): { readonly ok: false; readonly rejection: Rejection } => ({
  ok: false,
  rejection,
});

export const assertNever = (value: never): never => {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
};
