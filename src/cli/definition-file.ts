import { extname } from 'node:path';
import { parseDocument } from 'yaml';
import type { Json } from '../domain/json.ts';
import { usageFailure } from './failure.ts';
import { oneLine } from './format.ts';
import { parseText, readText } from './task-file.ts';
import type { Terminal } from './terminal.ts';

/** Aliases a document may use: each can expand to much, and to further aliases. */
const MAX_ALIASES = 100;

const parseYaml = (text: string, name: string): Json => {
  try {
    const document = parseDocument(text, { schema: 'core', prettyErrors: true });
    const [error] = document.errors;
    if (error === undefined) return document.toJS({ maxAliasCount: MAX_ALIASES }) as Json;
    const [at] = error.linePos ?? [];
    const place = at === undefined ? name : `${name}:${at.line}:${at.col}`;
    throw usageFailure(`${place}: not valid YAML: ${oneLine(error.message.split(' at line ', 1)[0] ?? '', 300)}`);
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

/**
 * Reads a JSON or YAML document: by the file's extension, else by its first character; `-` is stdin.
 *
 * Errors: `Failure` (wrong usage) that names file, line and column.
 */
export const readDocument = async (terminal: Terminal, path: string): Promise<Json> => {
  const name = path === '-' ? 'stdin' : path;
  const text = await readText(terminal, path);
  if (text.trim() === '') throw usageFailure(`${name}: is empty`);
  return isJson(path, text) ? parseText(text, { name, line: 1 }) : parseYaml(text, name);
};
