import { randomUUID } from 'node:crypto';
import type { ProposedEvent } from '../storage/record.ts';

/** An event the node itself writes. */
export const nodeEvent = (type: string, data: Buffer, json: boolean): ProposedEvent =>
  proposedEvent({ id: randomUUID(), json, type: Buffer.from(type, 'latin1'), data, metadata: EMPTY });

/** An event whose parts do not lie in one request. */
export const proposedEvent = ({ id, json, type, data, metadata }: EventParts): ProposedEvent => {
  const dataStart = type.length;
  const dataEnd = dataStart + data.length;
  const source = Buffer.concat([type, data, metadata]);
  return {
    source,
    id,
    json,
    typeStart: 0,
    typeEnd: type.length,
    dataStart,
    dataEnd,
    metadataStart: dataEnd,
    metadataEnd: source.length,
  };
};

type EventParts = {
  readonly id: string;
  readonly json: boolean;
  readonly type: Buffer;
  readonly data: Buffer;
  readonly metadata: Buffer;
};

const EMPTY = Buffer.alloc(0);
