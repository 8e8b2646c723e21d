import { randomUUID } from 'node:crypto';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createdAt,
  Flag,
  isIntactRecord,
  type ProposedEvent,
  recordSizeBound,
  StoredRecord,
  TOMBSTONE_REVISION,
  writeRecord,
} from './record.ts';

const propose = (type: string, data: Uint8Array, metadata: Uint8Array, json: boolean): ProposedEvent => {
  const typeBytes = Buffer.from(type);
  const source = Buffer.concat([typeBytes, metadata, data]);
  const metadataEnd = typeBytes.length + metadata.length;
  return {
    source,
    id: randomUUID(),
    json,
    typeStart: 0,
    typeEnd: typeBytes.length,
    metadataStart: typeBytes.length,
    metadataEnd,
    dataStart: metadataEnd,
    dataEnd: source.length,
  };
};

const arbitrary = fc.record({
  type: fc.string({ minLength: 1, maxLength: 300, unit: 'grapheme' }),
  stream: fc.string({ minLength: 1, maxLength: 300, unit: 'grapheme' }),
  data: fc.uint8Array({ maxLength: 40_000, size: 'max' }),
  metadata: fc.uint8Array({ maxLength: 300 }),
  json: fc.boolean(),
  revision: fc.oneof(fc.nat(), fc.constantFrom(0, 127, 128, 2 ** 31, 2 ** 32, 2 ** 40, TOMBSTONE_REVISION)),
  position: fc.oneof(fc.nat(), fc.constantFrom(32, 2 ** 31, 2 ** 32 + 1, 2 ** 52)),
  offset: fc.nat(100),
});

describe('a stored record', () => {
  it('contains a message in which the client library reads what was written', () => {
    fc.assert(
      fc.property(arbitrary, ({ type, stream, data, metadata, json, revision, position, offset }) => {
        const event = propose(type, data, metadata, json);
        const streamName = Buffer.from(stream);
        const target = Buffer.alloc(offset + recordSizeBound(event, streamName));
        const end = writeRecord(target, offset, event, {
          streamName,
          revision,
          position,
          created: createdAt(1_700_000_000_123),
        });

        expect(isIntactRecord(target, offset, position)).toBe(true);
        const record = new StoredRecord(target, offset);
        expect(record.size).toBe(end - offset);
        expect([record.type, record.streamName, record.id]).toEqual([type, stream, event.id]);
        expect([record.revision, record.position, record.createdMs]).toEqual([revision, position, 1_700_000_000_123]);
        expect([...record.data]).toEqual([...data]);

        expect(record.frame.readUInt32BE(1)).toBe(record.frame.length - 5);
        const read = streams.ReadResp.deserializeBinary(record.frame.subarray(5)).getEvent();
        const recorded = read?.getEvent();
        expect(read?.getCommitPosition()).toBe(String(position));
        expect(recorded?.getId()?.getString()).toBe(event.id);
        expect(Buffer.from(recorded?.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString()).toBe(stream);
        expect(recorded?.getStreamRevision()).toBe(
          revision === TOMBSTONE_REVISION ? '9223372036854775807' : String(revision),
        );
        expect([recorded?.getPreparePosition(), recorded?.getCommitPosition()]).toEqual([
          String(position),
          String(position),
        ]);
        const properties = recorded?.getMetadataMap();
        expect(properties?.get('type')).toBe(type);
        expect(properties?.get('created')).toBe('17000000001230000');
        expect(properties?.get('content-type')).toBe(json ? 'application/json' : 'application/octet-stream');
        expect([...(recorded?.getData_asU8() ?? [])]).toEqual([...data]);
        expect([...(recorded?.getCustomMetadata_asU8() ?? [])]).toEqual([...metadata]);
        const suffix = streams.ReadResp.ReadEvent.RecordedEvent.deserializeBinary(record.recordedEvent);
        expect(suffix.getId()?.getString()).toBe(event.id);
      }),
      { numRuns: 60 },
    );
  }, 30_000);

  it('is not intact when any of its bits differs, or when it is at another position', () => {
    const event = propose('T', Buffer.from('{"a":1}'), Buffer.alloc(0), true);
    const streamName = Buffer.from('s');
    const target = Buffer.alloc(recordSizeBound(event, streamName));
    const end = writeRecord(target, 0, event, { streamName, revision: 3, position: 77, created: createdAt(1) });
    expect(isIntactRecord(target.subarray(0, end), 0, 78)).toBe(false);
    for (let bit = 0; bit < end * 8; bit++) {
      const copy = Buffer.from(target.subarray(0, end));
      copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(isIntactRecord(copy, 0, 77)).toBe(false);
    }
  });

  it('is marked as a link by its type', () => {
    const streamName = Buffer.from('s');
    const flagsOf = (type: string) => {
      const event = propose(type, Buffer.from('1@a'), Buffer.alloc(0), false);
      const target = Buffer.alloc(recordSizeBound(event, streamName));
      writeRecord(target, 0, event, { streamName, revision: 0, position: 32, created: createdAt(1) });
      return new StoredRecord(target, 0).flags;
    };
    expect(flagsOf('$>')).toBe(Flag.link);
    expect(flagsOf('$>x')).toBe(0);
  });
});
