import { type Command, Option } from 'commander';
import type { Json } from '../domain/json.ts';
import * as parse from './parse.ts';
import { parseText, readText } from './task-file.ts';
import type { Terminal } from './terminal.ts';

export type InputOptions = { readonly input?: Json; readonly inputFile?: string };

/** `--input` and `--input-file`: one value, on the command line or from a file. */
export const inputOptions = (command: Command, description: string): Command =>
  command
    .addOption(new Option('--input <json>', description).argParser(parse.json).conflicts('inputFile'))
    .option('--input-file <file>', 'the same from a file; - is stdin');

/** The value of `--input` or `--input-file`. */
export const inputOf = async (terminal: Terminal, { input, inputFile }: InputOptions): Promise<Json | undefined> => {
  if (inputFile === undefined) return input;
  return parseText(await readText(terminal, inputFile), { name: inputFile === '-' ? 'stdin' : inputFile, line: 1 });
};
