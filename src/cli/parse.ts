import { InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import { parseJson } from '../api/edge/json-body.ts';
import type { Json } from '../domain/json.ts';

/** Parsers of option values. Commander turns `InvalidArgumentError` into a usage message that names the option and the value. */

export const integer =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`Allowed: a whole number from ${min} to ${max}.`);
    return value;
  };

export const number =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+(\.\d+)?(e-?\d+)?$/i.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`Allowed: a number from ${min} to ${max}.`);
    return value;
  };

export const instant = (text: string): string => {
  if (!z.iso.datetime({ offset: true }).safeParse(text).success)
    throw new InvalidArgumentError('Allowed: an RFC 3339 instant with a zone, such as 2026-01-31T12:00:00Z.');
  return text;
};

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DURATION = /^(?<count>\d{1,9}(?:\.\d{1,3})?)(?<unit>ms|s|m|h|d)$/;
/** The longest that a timer waits. */
const MAX_DURATION_MS = 2_147_483_647;

const asDuration = (text: string): number | undefined => {
  const { count, unit } = DURATION.exec(text)?.groups ?? {};
  const ms = Math.round(Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS]);
  return ms > 0 ? ms : undefined;
};

/** `500ms`, `30s`, `1.5h`; in milliseconds. */
export const durationMs = (text: string): number => {
  const ms = asDuration(text);
  if (ms === undefined || ms > MAX_DURATION_MS)
    throw new InvalidArgumentError('Allowed: a number with ms, s, m, h or d, such as 90s, up to 24d.');
  return ms;
};

/** An instant, or how long ago it was. */
export const instantOrAgo = (text: string): string => {
  const ms = asDuration(text);
  if (ms !== undefined && ms < Date.now()) return new Date(Date.now() - ms).toISOString();
  if (!z.iso.datetime({ offset: true }).safeParse(text).success)
    throw new InvalidArgumentError(
      'Allowed: an RFC 3339 instant with a zone, such as 2026-01-31T12:00:00Z, or how long ago, such as 90s, 1h or 7d.',
    );
  return text;
};

/** A position in the log. */
export const position = (text: string): bigint => {
  if (!/^\d{1,19}$/.test(text)) throw new InvalidArgumentError('Allowed: a log position, a string of digits.');
  return BigInt(text);
};

/** The same, in GraphQL's form. */
export const positionText = (text: string): string => String(position(text));

export const httpUrl = (text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw new InvalidArgumentError('Allowed: an http:// or https:// URL.');
  return text;
};

export const json = (text: string): Json => {
  try {
    return parseJson(text) as Json;
  } catch (error) {
    const { message } = error as Error;
    throw new InvalidArgumentError(`Allowed: JSON (${message.replace('the body is not JSON: ', '')}).`);
  }
};

export const oneOf =
  <const Value extends string>(allowed: readonly Value[]) =>
  (text: string): Value => {
    const found = allowed.find((value) => value === text.toLowerCase());
    if (found === undefined) throw new InvalidArgumentError(`Allowed: ${allowed.join(', ')}.`);
    return found;
  };

/** For options that may be given several times. */
export const collect =
  <Value>(parse: (text: string) => Value) =>
  (text: string, previous: readonly Value[] | undefined): Value[] => [...(previous ?? []), parse(text)];

/** An option with a fixed set of values that may be given several times. */
export const choicesOption = (flags: string, description: string, allowed: readonly string[]): Option =>
  new Option(flags, description).choices(allowed).argParser(collect(oneOf(allowed)));

/** A name in GraphQL's form. */
export const upperCase = <const Name extends string>(name: Name): Uppercase<Name> =>
  name.toUpperCase() as Uppercase<Name>;

const CAPABILITY = /^(?<name>[^@]+)(?:@(?<version>.+))?$/;

/** `footprint` or `footprint@1.2.0`. */
export const capability = (text: string): { name: string; version?: string } => {
  const found = CAPABILITY.exec(text)?.groups;
  if (found === undefined) throw new InvalidArgumentError('Allowed: NAME or NAME@VERSION, such as footprint@1.2.0.');
  const { name = '', version } = found;
  return { name, ...(version === undefined ? {} : { version }) };
};

/** `key=value`. */
export const label = (text: string): readonly [string, string] => {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Allowed: KEY=VALUE.');
  return [text.slice(0, at), text.slice(at + 1)];
};

/** `eu-west` or `eu-west/b`. */
export const location = (text: string): { region: string; zone?: string } => {
  const [region = '', zone, ...rest] = text.split('/');
  if (region === '' || zone === '' || rest.length > 0)
    throw new InvalidArgumentError('Allowed: REGION or REGION/ZONE, such as eu-west/b.');
  return { region, ...(zone === undefined ? {} : { zone }) };
};

const MONEY = /^(?<whole>\d{1,9})(?:\.(?<part>\d{1,6}))?(?<currency>[A-Z]{3})$/;

/** `0.00025USD`, to the millionth. */
export const money = (text: string): { currency: string; micros: number } => {
  const found = MONEY.exec(text)?.groups;
  if (found === undefined)
    throw new InvalidArgumentError('Allowed: an amount with at most 6 decimals and a currency, such as 0.00025USD.');
  const { whole = '0', part = '', currency = '' } = found;
  return { currency, micros: Number(whole) * 1_000_000 + Number(part.padEnd(6, '0')) };
};
