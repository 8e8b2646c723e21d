import { isUtf8 } from 'node:buffer';
import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { parseJson } from '../api/edge/json-body.ts';
import { EdgeError } from '../api/errors.ts';
import type { Json } from '../domain/json.ts';
import { pointerOf } from '../domain/json-pointer.ts';
import { SubmitTaskInput } from '../domain/task/commands.ts';
import { Failure, usageFailure } from './failure.ts';
import type { Terminal } from './terminal.ts';

const MIB = 1024 * 1024;
const MAX_MIB = 256;

/** A checked task of the file. `place` is its position in the file, for messages. */
export type FileTask = { readonly place: string; readonly idempotencyKey?: string; readonly task: SubmitTaskInput };

const READ_FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EISDIR: 'is a directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
};

const tooLarge = (name: string, bytes: number): Failure =>
  usageFailure(
    `${name}: ${(bytes / MIB).toFixed(0)} MiB, at most ${MAX_MIB} MiB`,
    'split the file and submit the parts',
  );

const readStdin = async (stdin: NodeJS.ReadableStream): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    const part = Buffer.from(chunk as Uint8Array);
    bytes += part.length;
    if (bytes > MAX_MIB * MIB) throw tooLarge('stdin', bytes);
    chunks.push(part);
  }
  return Buffer.concat(chunks);
};

const readRegular = async (path: string): Promise<Buffer> => {
  try {
    const { size } = await stat(path);
    if (size > MAX_MIB * MIB) throw tooLarge(path, size);
    return await readFile(path);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw usageFailure(`${path}: ${READ_FAILURES[code] ?? message}`);
  }
};

/** The text of a file, or of stdin for `-`. A byte order mark is removed. */
export const readText = async (terminal: Terminal, path: string): Promise<string> => {
  const bytes = path === '-' ? await readStdin(terminal.stdin) : await readRegular(path);
  if (!isUtf8(bytes)) throw usageFailure(`${path === '-' ? 'stdin' : path}: not valid UTF-8`);
  return bytes.toString('utf8').replace(/^\ufeff/, '');
};

type Place = { readonly name: string; readonly line: number };

const lineAndColumn = (text: string, offset: number): { line: number; column: number } => {
  const before = text.slice(0, offset);
  const lastBreak = before.lastIndexOf('\n');
  return { line: before.split('\n').length, column: offset - lastBreak };
};

/** Errors: `Failure` that names file, line and column. */
export const parseText = (text: string, { name, line }: Place): Json => {
  try {
    return parseJson(text) as Json;
  } catch (error) {
    if (!(error instanceof EdgeError)) throw error;
    const { offset } = error.details as { offset?: number };
    if (offset === undefined) throw usageFailure(`${name}:${line}: ${error.message}`);
    const at = lineAndColumn(text, offset);
    throw usageFailure(`${name}:${line + at.line - 1}:${at.column}: not valid JSON`);
  }
};

const Item = SubmitTaskInput.extend({ idempotencyKey: z.string().min(1).max(255).optional() });

/** Also takes enum values as GraphQL writes them: a file may come from an API client. */
const inOurCase = (value: unknown): unknown => {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  const { strategy, retry } = value as { strategy?: unknown; retry?: { kind?: unknown } };
  return {
    ...value,
    ...(typeof strategy === 'string' ? { strategy: strategy.toLowerCase() } : {}),
    ...(typeof retry?.kind === 'string' ? { retry: { ...retry, kind: retry.kind.toLowerCase() } } : {}),
  };
};

/** What is wrong with a value, by JSON pointer. */
export const problemsOf = (error: z.ZodError): string =>
  error.issues.map(({ path, message }) => `${path.length === 0 ? '' : `${pointerOf(path)}: `}${message}`).join('; ');

const checked = (value: unknown, place: string): FileTask => {
  const parsed = Item.safeParse(inOurCase(value));
  if (!parsed.success) throw usageFailure(`${place}: ${problemsOf(parsed.error)}`);
  const { idempotencyKey, ...task } = parsed.data;
  return { place, task, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) };
};

type Check<Item> = (value: unknown, place: string) => Item;

const fromArray = <Item>(text: string, name: string, word: string, check: Check<Item>): Item[] => {
  const values = parseText(text, { name, line: 1 });
  if (!Array.isArray(values)) throw usageFailure(`${name}: not a list of ${word}s`);
  return values.map((value, index) => check(value, `${name}: ${word} ${index + 1}`));
};

const fromLines = <Item>(text: string, name: string, check: Check<Item>): Item[] =>
  text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    return [check(parseText(line, { name, line: index + 1 }), `${name}:${index + 1}`)];
  });

/**
 * Reads items from a JSON list, or from JSON lines with one each; `-` is stdin. All are checked before the first is returned.
 *
 * Errors: `Failure` (wrong usage) that names file and line.
 */
export const readItems = async <Item>(
  terminal: Terminal,
  path: string,
  { word, check }: { readonly word: string; readonly check: Check<Item> },
): Promise<Item[]> => {
  const name = path === '-' ? 'stdin' : path;
  const text = await readText(terminal, path);
  const items = /^\s*\[/.test(text) ? fromArray(text, name, word, check) : fromLines(text, name, check);
  if (items.length === 0) throw usageFailure(`${name}: contains no ${word}`);
  return items;
};

/** The tasks of a file; see `readItems`. */
export const readTasks = (terminal: Terminal, path: string): Promise<FileTask[]> =>
  readItems(terminal, path, { word: 'task', check: checked });
