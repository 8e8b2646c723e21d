import type { ProtoReader } from '../protobuf/reader.ts';
import { BadAppend } from './append-request.ts';

/** Deeper values are refused: reading them is recursive. The real server stops at about a third. */
const MAX_DEPTH = 100;

/** An entry of a `map<string, google.protobuf.Value>`, its value as JSON text. Throws `BadAppend`. */
export const readProperty = (entry: ProtoReader, depth = 0): readonly [key: string, json: string] => {
  let key = '';
  let json: string | undefined;
  while (entry.next()) {
    if (entry.field === 1) key = entry.text();
    else if (entry.field === 2) json = valueAsJson(entry.message(), key, depth);
  }
  if (key === '' && depth === 0) throw new BadAppend('the key of a property is empty');
  if (json === undefined) throw withoutValue(key);
  return [key, json];
};

/** A JSON object of members that are JSON already. */
export const objectAsJson = (members: ReadonlyMap<string, string>): string =>
  `{${[...members].map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(',')}}`;

/** `google.protobuf.Value`. */
const valueAsJson = (value: ProtoReader, key: string, depth: number): string => {
  if (depth > MAX_DEPTH) throw new BadAppend(`property ${quoted(key)} is nested deeper than ${MAX_DEPTH} levels`);
  let json: string | undefined;
  while (value.next()) {
    if (value.field === 1) json = nullAsJson(value);
    else if (value.field === 2) json = numberAsJson(value.double(), key);
    else if (value.field === 3) json = JSON.stringify(value.text());
    else if (value.field === 4) json = String(value.bool());
    else if (value.field === 5) json = structAsJson(value.message(), depth + 1);
    else if (value.field === 6) json = listAsJson(value.message(), key, depth + 1);
  }
  if (json === undefined) throw withoutValue(key);
  return json;
};

const nullAsJson = (value: ProtoReader): string => {
  value.uint();
  return 'null';
};

const numberAsJson = (number: number, key: string): string => {
  if (!Number.isFinite(number)) throw new BadAppend(`property ${quoted(key)} is ${number}, which JSON does not have`);
  return JSON.stringify(number);
};

const structAsJson = (struct: ProtoReader, depth: number): string => {
  const members = new Map<string, string>();
  while (struct.next()) if (struct.field === 1) members.set(...readProperty(struct.message(), depth));
  return objectAsJson(members);
};

const listAsJson = (list: ProtoReader, key: string, depth: number): string => {
  const values: string[] = [];
  while (list.next()) if (list.field === 1) values.push(valueAsJson(list.message(), key, depth));
  return `[${values.join(',')}]`;
};

const withoutValue = (key: string): BadAppend => new BadAppend(`property ${quoted(key)} has no value`);

const quoted = (key: string): string => JSON.stringify(key.slice(0, 80));
