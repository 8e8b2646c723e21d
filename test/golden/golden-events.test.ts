import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { EventDefinitions } from '../../src/domain/event-definition.ts';
import { domainEvents } from '../../src/domain/events.ts';
import { decodeEvent } from '../../src/eventstore/codec.ts';
import type { StoredEvent } from '../../src/eventstore/event-store.ts';
import { verifyStream } from '../../src/eventstore/provenance.ts';

const FOLDER = new URL('./events/', import.meta.url);

const readGolden = (file: string): StoredEvent => {
  const { revision, position, ...rest } = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8'));
  return { ...rest, revision: BigInt(revision), position: BigInt(position) };
};

const files = readdirSync(FOLDER).sort();
const definitions: EventDefinitions = domainEvents;

describe('the golden events', () => {
  it('have one sample of every schema version of every event type', () => {
    const expected = Object.entries(definitions).flatMap(([type, { schemaVersion }]) =>
      Array.from({ length: schemaVersion }, (_, n) => `${type}.v${n + 1}.json`),
    );
    // One is missing: make it with test/golden/add-event.ts. One is too many: a released event type was renamed or removed.
    expect(files).toEqual(expected.sort());
  });

  it.each(files)('%s decodes to the newest schema version and fits its schema', (file) => {
    const stored = readGolden(file);
    const decoded = decodeEvent(stored);
    expect(`${stored.type}.v${stored.metadata.schemaVersion}.json`).toBe(file);
    expect(decoded?.type).toBe(stored.type);
    expect(definitions[stored.type]?.schema.parse(decoded?.data)).toEqual(decoded?.data);
  });

  it.each(files)('%s carries the hash of its content', (file) => {
    const stored = readGolden(file);
    expect(verifyStream([stored])).toEqual({
      ok: true,
      count: 1,
      head: { revision: 0n, hash: stored.metadata.hash },
    });
  });
});
