import { hash as digestOf } from 'node:crypto';
import type { EventMetadata, NewEvent, Revision, StoredEvent } from './event-store.ts';

/** The end of a stream, on which the next event of its chain builds. */
export type StreamHead = {
  readonly revision: Revision | 'no_stream';
  /** `hash` of the event at `revision`; `GENESIS_HASH` for `no_stream`. */
  readonly hash: string;
};

/** `prevHash` of a stream's first event. */
export const GENESIS_HASH = '0'.repeat(64);

export const EMPTY_HEAD: StreamHead = { revision: 'no_stream', hash: GENESIS_HASH };

/** Characters that JSON may have to escape: quotes, backslashes, control characters, and surrogates, which may be lone. */
const NEEDS_CARE = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

const textOf = (text: string): string => {
  if (!NEEDS_CARE.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new TypeError('a lone surrogate has no canonical form');
  return JSON.stringify(text);
};

const numberOf = (value: number): string => {
  if (!Number.isFinite(value)) throw new TypeError(`${value} has no canonical form`);
  // Adding 0 turns -0 into 0, as JSON does.
  return String(value + 0);
};

/** In the order of UTF-16 code units, which is also how `<` compares. Insertion sort: keys are few and mostly in order already. */
const sortedKeysOf = (value: object): string[] => {
  const keys = Object.keys(value);
  for (let end = 1; end < keys.length; end += 1) {
    const key = keys[end] as string;
    let at = end;
    for (; at > 0 && (keys[at - 1] as string) > key; at -= 1) keys[at] = keys[at - 1] as string;
    keys[at] = key;
  }
  return keys;
};

const objectOf = (value: Readonly<Record<string, unknown>>): string => {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    throw new TypeError('only plain objects have a canonical form');
  let text = '';
  for (const key of sortedKeysOf(value)) {
    const member = value[key];
    if (member !== undefined) text += `${text === '' ? '' : ','}${textOf(key)}:${canonicalJson(member)}`;
  }
  return `{${text}}`;
};

const arrayOf = (items: readonly unknown[]): string => {
  let text = '';
  for (let index = 0; index < items.length; index += 1)
    text += `${index === 0 ? '' : ','}${items[index] === undefined ? 'null' : canonicalJson(items[index])}`;
  return `[${text}]`;
};

/**
 * The RFC 8785 form of a JSON value, the same before and after it was stored: -0 is 0, members that are `undefined` are left out, items
 * that are `undefined` become `null`. Hand-written because it is on the path of every append; a test compares it with the package
 * `canonicalize`.
 *
 * Errors: throws `TypeError` for what JSON cannot hold: functions, bigints, instances of classes, NaN, infinities, lone surrogates.
 */
export const canonicalJson = (value: unknown): string => {
  switch (typeof value) {
    case 'string':
      return textOf(value);
    case 'number':
      return numberOf(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? arrayOf(value) : objectOf(value as Readonly<Record<string, unknown>>);
    default:
      throw new TypeError(`${typeof value} has no canonical form`);
  }
};

type Unsealed = Omit<NewEvent, 'metadata'> & { readonly metadata: Omit<EventMetadata, 'hash'> };

const hashOf = (stream: string, revision: Revision, { id, type, data, metadata }: Unsealed): string => {
  // The members are written in canonical order: a generic function would sort them again for every event.
  const form = `{"data":${canonicalJson(data)},"id":${textOf(id)},"metadata":${canonicalJson(metadata)},"revision":"${revision}","stream":${textOf(stream)},"type":${textOf(type)}}`;
  return digestOf('sha256', form, 'hex');
};

/**
 * Puts an event into its stream's hash chain, right after `head`.
 *
 * `hash` is SHA-256, in hex, over the RFC 8785 form of `{stream, revision, id, type, data, metadata}`, where `revision` is a decimal
 * string and `metadata` holds `prevHash` but not `hash`. Position and time of recording come from the store and are not covered.
 */
export const seal = (
  stream: string,
  head: StreamHead,
  event: Omit<NewEvent, 'metadata'> & { readonly metadata: Omit<EventMetadata, 'prevHash' | 'hash'> },
): NewEvent => {
  const { id, type, data } = event;
  const metadata = { ...event.metadata, prevHash: head.hash };
  const hash = hashOf(stream, nextRevision(head), { id, type, data, metadata });
  return { id, type, data, metadata: { ...metadata, hash } };
};

/** The revision that the event after `head` has. */
export const nextRevision = (head: StreamHead): Revision => (head.revision === 'no_stream' ? 0n : head.revision + 1n);

export type Verification =
  | { readonly ok: true; readonly count: number; readonly head: StreamHead }
  | { readonly ok: false; readonly revision: Revision; readonly problem: string };

const problemOf = (event: StoredEvent, stream: string, head: StreamHead): string | undefined => {
  const expected = nextRevision(head);
  if (event.stream !== stream) return `belongs to stream ${event.stream}, expected ${stream}`;
  if (event.revision !== expected) return `has revision ${event.revision}, expected ${expected}`;
  const { hash, ...metadata } = event.metadata;
  if (metadata.prevHash !== head.hash)
    return `builds on hash ${metadata.prevHash}, but the event before it has ${head.hash}`;
  try {
    const computed = hashOf(stream, event.revision, { id: event.id, type: event.type, data: event.data, metadata });
    return computed === hash ? undefined : `carries hash ${hash}, but its content has ${computed}`;
  } catch (error) {
    return `has no canonical form: ${error instanceof Error ? error.message : String(error)}`;
  }
};

/**
 * Checks a stream's chain: no event is missing, added, reordered or altered. To check a long stream in pages, pass the `head` of the
 * previous page. Events missing at the end show only when `head` is compared with one recorded elsewhere.
 */
export const verifyStream = (events: Iterable<StoredEvent>, after: StreamHead = EMPTY_HEAD): Verification => {
  let head = after;
  let count = 0;
  let stream: string | undefined;
  for (const event of events) {
    stream ??= event.stream;
    const problem = problemOf(event, stream, head);
    if (problem !== undefined) return { ok: false, revision: nextRevision(head), problem };
    head = { revision: event.revision, hash: event.metadata.hash };
    count += 1;
  }
  return { ok: true, count, head };
};
