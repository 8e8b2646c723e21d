import { extname } from 'node:path';
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Json } from '../domain/json.ts';
import { partsOf } from '../domain/json-pointer.ts';
import { usageFailure } from './failure.ts';
import { oneLine } from './format.ts';
import { parseText, readText } from './task-file.ts';
import type { Terminal } from './terminal.ts';

/** Aliases a document may use: each can expand to much, and to further aliases. */
const MAX_ALIASES = 100;

/** Errors of syntax that are shown: most follow from the first. */
const MAX_ERRORS = 10;

const syntaxErrors = ({ errors }: Document, name: string): string =>
  errors
    .slice(0, MAX_ERRORS)
    .map(({ linePos, message }) => {
      const place = linePos === undefined ? name : `${name}:${linePos[0].line}:${linePos[0].col}`;
      return `${place}: not valid YAML: ${oneLine(message.split(' at line ', 1)[0] ?? '', 300)}`;
    })
    .join('\n');

const parseYaml = (text: string, name: string): Json => {
  try {
    const document = parseDocument(text, { schema: 'core', prettyErrors: true });
    if (document.errors.length === 0) return document.toJS({ maxAliasCount: MAX_ALIASES }) as Json;
    throw usageFailure(syntaxErrors(document, name));
  } catch (error) {
    // Too many aliases, or too deep for the parser.
    if (error instanceof ReferenceError || error instanceof RangeError)
      throw usageFailure(`${name}: not valid YAML: ${oneLine(error.message, 300)}`);
    throw error;
  }
};

const isJson = (path: string, text: string): boolean => {
  const extension = extname(path).toLowerCase();
  if (extension === '.json') return true;
  return extension !== '.yaml' && extension !== '.yml' && /^\s*[[{]/.test(text);
};

/** Line and column, both from 1. */
export type Place = { readonly line: number; readonly column: number };

/**
 * Where the parts of a text are, by JSON pointer: the key of a member, the beginning of an item. A part that is missing is where it would have to be: in
 * what is around it. JSON is read as YAML.
 */
const placesIn = (text: string): ((pointer: string) => Place | undefined) => {
  const lines = new LineCounter();
  const document = parseDocument(text, { schema: 'core', lineCounter: lines, logLevel: 'silent' });
  return (pointer) => {
    let node: unknown = document.contents;
    let offset = document.contents?.range?.[0];
    for (const part of partsOf(pointer)) {
      if (isAlias(node)) node = node.resolve(document);
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === part);
        if (pair === undefined || !isScalar(pair.key)) break;
        offset = pair.key.range?.[0];
        node = pair.value;
      } else if (isSeq(node)) {
        const item = node.items[Number(part)] as { readonly range?: readonly number[] | null } | undefined;
        if (item === undefined) break;
        offset = item.range?.[0] ?? offset;
        node = item;
      } else break;
    }
    if (offset === undefined) return undefined;
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
};

export type PlacedDocument = {
  /** Of the file, or `stdin`. */
  readonly name: string;
  readonly value: Json;
  /** Where a part of it is, by JSON pointer; undefined where that is not known. */
  placeOf(pointer: string): Place | undefined;
};

const noPlace = (): undefined => undefined;

/**
 * Reads a JSON or YAML document: by the file's extension, else by its first character; `-` is stdin.
 *
 * Errors: `Failure` (wrong usage) that names file, line and column.
 */
export const readPlacedDocument = async (terminal: Terminal, path: string): Promise<PlacedDocument> => {
  const name = path === '-' ? 'stdin' : path;
  const text = await readText(terminal, path);
  if (text.trim() === '') throw usageFailure(`${name}: is empty`);
  const value = isJson(path, text) ? parseText(text, { name, line: 1 }) : parseYaml(text, name);
  let places: ReturnType<typeof placesIn> | undefined;
  const placeOf = (pointer: string): Place | undefined => {
    try {
      places ??= placesIn(text);
    } catch {
      places = noPlace; // too deep for the YAML parser, though not for that of JSON
    }
    return places(pointer);
  };
  return { name, value, placeOf };
};

/** As `readPlacedDocument`, for those who need the value only. */
export const readDocument = async (terminal: Terminal, path: string): Promise<Json> =>
  (await readPlacedDocument(terminal, path)).value;
