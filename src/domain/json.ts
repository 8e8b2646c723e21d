import { z } from 'zod';
import { pointerOf } from './json-pointer.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Payload limit in bytes of UTF-8 JSON; larger payloads belong in an object store, with a reference in the task. */
export const MAX_PAYLOAD_BYTES = 262_144;
export const MAX_DEPTH = 64;
/** Levels that Baton may build around payloads: `{input, output}` for a compensation, `{step: output}`, the list of a step's results. */
export const BUILT_LEVELS = 16;
export const MAX_BUILT_DEPTH = MAX_DEPTH + BUILT_LEVELS;

const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

export type JsonIssue = { readonly code: string; readonly pointer: string; readonly message: string };

const stringIssue = (text: string, pointer: string): JsonIssue | undefined => {
  if (text.includes('\u0000')) return { code: 'INVALID_CHARACTER', pointer, message: 'U+0000 is not allowed' };
  if (!text.isWellFormed()) return { code: 'INVALID_UNICODE', pointer, message: 'lone surrogates are not allowed' };
  return undefined;
};

const numberIssue = (value: number, pointer: string): JsonIssue | undefined => {
  if (!Number.isFinite(value)) return { code: 'NUMBER_OUT_OF_RANGE', pointer, message: 'must be a finite number' };
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    return {
      code: 'UNSAFE_INTEGER',
      pointer,
      message: `integers beyond ±${Number.MAX_SAFE_INTEGER} lose digits; send a string`,
    };
  return undefined;
};

type Frame = { readonly value: unknown; readonly path: readonly (string | number)[] };

const leafIssue = (value: unknown, path: readonly (string | number)[]): JsonIssue | undefined => {
  switch (typeof value) {
    case 'string':
      return stringIssue(value, pointerOf(path));
    case 'number':
      return numberIssue(value, pointerOf(path));
    case 'boolean':
      return undefined;
    default:
      return { code: 'NOT_JSON', pointer: pointerOf(path), message: `${typeof value} is not a JSON value` };
  }
};

const keyIssue = (key: string, path: readonly (string | number)[]): JsonIssue | undefined =>
  FORBIDDEN_KEYS.has(key)
    ? {
        code: 'FORBIDDEN_KEY',
        pointer: pointerOf([...path, key]),
        message: `the key ${JSON.stringify(key)} is not allowed`,
      }
    : stringIssue(key, pointerOf([...path, key]));

/** The common case, without paths. Recursion is bounded: what is deeper than the limit is refused before it is entered. */
const isStorable = (value: unknown, depth: number, maxDepth: number): boolean => {
  switch (typeof value) {
    case 'string':
      return !value.includes('\u0000') && value.isWellFormed();
    case 'number':
      return Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value));
    case 'boolean':
      return true;
    case 'object':
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth >= maxDepth) return false;
  if (Array.isArray(value)) {
    for (const item of value) if (!isStorable(item, depth + 1, maxDepth)) return false;
    return true;
  }
  for (const key of Object.keys(value)) {
    if (FORBIDDEN_KEYS.has(key) || !isStorable(key, depth, maxDepth)) return false;
    const item = (value as Record<string, unknown>)[key];
    if (item !== undefined && !isStorable(item, depth + 1, maxDepth)) return false;
  }
  return true;
};

/**
 * Finds the first thing in a value that would poison a reader of the log: NUL, lone surrogates, non-finite or unsafe numbers,
 * forbidden keys, more than `maxDepth` levels, or something that is not JSON. Iterative, so depth cannot overflow the stack.
 */
export const findJsonIssue = (root: unknown, maxDepth: number = MAX_DEPTH): JsonIssue | undefined =>
  isStorable(root, 0, maxDepth) ? undefined : locateIssue(root, maxDepth);

const locateIssue = (root: unknown, maxDepth: number): JsonIssue | undefined => {
  const open: Frame[] = [{ value: root, path: [] }];
  for (let frame = open.pop(); frame; frame = open.pop()) {
    const { value, path } = frame;
    if (value === null) continue;
    if (typeof value !== 'object') {
      const issue = leafIssue(value, path);
      if (issue) return issue;
      continue;
    }
    if (path.length >= maxDepth)
      return { code: 'TOO_DEEP', pointer: pointerOf(path), message: `more than ${maxDepth} levels` };
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) open.push({ value: item, path: [...path, index] });
      continue;
    }
    for (const [key, item] of Object.entries(value)) {
      const issue = keyIssue(key, path);
      if (issue) return issue;
      if (item !== undefined) open.push({ value: item, path: [...path, key] });
    }
  }
  return undefined;
};

/** Whether a value has more than this many levels. */
export const isDeeperThan = (levels: number, value: unknown): boolean => {
  if (value === null || typeof value !== 'object') return false;
  if (levels === 0) return true;
  for (const member of Array.isArray(value) ? value : Object.values(value))
    if (isDeeperThan(levels - 1, member)) return true;
  return false;
};

const encoder = new TextEncoder();

export const byteLengthOf = (value: unknown): number => encoder.encode(JSON.stringify(value) ?? '').length;

/** A UTF-16 code unit takes at most this many bytes of UTF-8. */
const MAX_UNIT_BYTES = 3;

/** As `byteLengthOf`, when that is more than `limit`; 0 otherwise, which most values show without being encoded. */
const bytesBeyond = (limit: number, value: unknown): number => {
  const json = JSON.stringify(value) ?? '';
  if (json.length * MAX_UNIT_BYTES <= limit) return 0;
  const bytes = encoder.encode(json).length;
  return bytes > limit ? bytes : 0;
};

/** A string that every reader of the log can hold: no U+0000, no lone surrogates. */
export const text = ({ min = 0, max }: { readonly min?: number; readonly max: number }) =>
  z
    .string()
    .min(min)
    .max(max)
    .superRefine((value, context) => {
      const issue = stringIssue(value, '');
      if (issue) context.addIssue({ code: 'custom', message: `${issue.code}: ${issue.message}`, params: issue });
    });

/** An object of at most `max` members, which are counted before any of them is examined. `what` names them. */
export const recordOf = <Key extends z.ZodType<string, string>, Value extends z.ZodType>(
  key: Key,
  value: Value,
  { max, what }: { readonly max: number; readonly what: string },
): z.ZodType<Record<string, z.output<Value>>, Record<string, z.input<Value>>> => {
  const counted = z.transform<unknown>((members, context) => {
    const isTooLarge = members !== null && typeof members === 'object' && Object.keys(members).length > max;
    if (isTooLarge)
      context.issues.push({
        code: 'custom',
        message: `at most ${max} ${what}`,
        input: undefined,
        params: { code: 'OUT_OF_RANGE' },
      });
    return members;
  });
  return z.pipe(counted, z.record(key, value) as z.ZodType) as never;
};

type Context = Pick<z.core.$RefinementCtx, 'issues'>;

const payloadOf = (value: unknown, context: Context, maxDepth: number): Json => {
  const found = findJsonIssue(value === undefined ? null : value, maxDepth);
  if (found)
    context.issues.push({
      code: 'custom',
      message: `${found.code}: ${found.message} at ${found.pointer || '/'}`,
      input: undefined,
      params: found,
    });
  const bytes = found ? 0 : bytesBeyond(MAX_PAYLOAD_BYTES, value);
  if (bytes > 0)
    context.issues.push({
      code: 'custom',
      message: `TOO_LARGE: at most ${MAX_PAYLOAD_BYTES} bytes of JSON, got ${bytes}`,
      input: undefined,
      params: { code: 'TOO_LARGE', limit: MAX_PAYLOAD_BYTES, seen: bytes },
    });
  return (value ?? null) as Json;
};

/** A JSON value that every reader of the log can hold (see `findJsonIssue`), of at most `MAX_PAYLOAD_BYTES`. */
export const JsonPayload = z.unknown().transform((value, context): Json => payloadOf(value, context, MAX_DEPTH));

/** As `JsonPayload`, with the levels that Baton builds around payloads. */
export const BuiltPayload = z.unknown().transform((value, context): Json => payloadOf(value, context, MAX_BUILT_DEPTH));
