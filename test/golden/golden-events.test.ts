import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { EventDefinitions } from '../../src/domain/event-definition.ts';
import { domainEvents } from '../../src/domain/events.ts';
import { decodeEvent } from '../../src/eventstore/codec.ts';
import { verifyStream } from '../../src/eventstore/provenance.ts';
import { foldedState, readSample, sampleFiles, stateFiles, stateUrl } from './fold.ts';

const files = sampleFiles();
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
    const stored = readSample(file);
    const decoded = decodeEvent(stored);
    expect(`${stored.type}.v${stored.metadata.schemaVersion}.json`).toBe(file);
    expect(decoded?.type).toBe(stored.type);
    expect(definitions[stored.type]?.schema.parse(decoded?.data)).toEqual(decoded?.data);
  });

  it('record the state that each of them folds to', () => expect(stateFiles()).toEqual(files));

  // A difference means that what is stored reads differently now. If that is intended, a new schema version and an upcaster are needed; only
  // where the state itself got another form may the expected one be written again.
  it.each(files)('%s folds to the recorded state', (file) => {
    expect(foldedState(file)).toEqual(JSON.parse(readFileSync(stateUrl(file), 'utf8')));
  });

  it.each(files)('%s carries the hash of its content', (file) => {
    const stored = readSample(file);
    expect(verifyStream([stored])).toEqual({
      ok: true,
      count: 1,
      head: { revision: 0n, hash: stored.metadata.hash },
    });
  });
});
