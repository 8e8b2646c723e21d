import { convertGrpcEvent } from '@eventstore/db-client/dist/utils/convertGrpcEvent.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import { decodeAnswer, decodeRead, encodeAppend } from '../src/eventstore/esdb-wire.ts';

const ev = {
  id: '9eb10783-2371-5332-ad4e-b861a44c5062',
  type: 'TaskSubmitted',
  data: { a: 'x'.repeat(300), b: [1, 2, 3], u: 'ß日本🧵' },
  metadata: {
    tenant: 'default',
    commandId: 'c'.repeat(36),
    $correlationId: 'c'.repeat(36),
    $causationId: 'c'.repeat(36),
    actor: 'user:1',
    at: '2026-01-01T00:00:00.000Z',
    schemaVersion: 1,
    prevHash: '0'.repeat(64),
    hash: 'f'.repeat(64),
  },
} as never as import('../src/eventstore/event-store.ts').NewEvent;
const buf = encodeAppend({
  number: 300,
  stream: 'task-default.ß1',
  events: [ev, ev],
  expectedRevision: 70000n,
  deadlineMs: Date.now(),
});
console.dir(streams.BatchAppendReq.deserializeBinary(buf).toObject(), { depth: 6 });
const re = new streams.ReadResp();
const rev = new streams.ReadResp.ReadEvent();
const rec = new streams.ReadResp.ReadEvent.RecordedEvent();
const uuid = new shared.UUID();
uuid.setString(ev.id);
rec.setId(uuid);
const si = new shared.StreamIdentifier();
si.setStreamName(Buffer.from('task-default.1').toString('base64'));
rec.setStreamIdentifier(si);
rec.setStreamRevision('5');
rec.setPreparePosition('9007199254740993');
rec.setCommitPosition('9007199254740993');
rec
  .getMetadataMap()
  .set('type', 'TaskSubmitted')
  .set('created', '17952546423440000')
  .set('content-type', 'application/json');
rec.setCustomMetadata(Buffer.from(JSON.stringify(ev.metadata)).toString('base64'));
rec.setData(Buffer.from(JSON.stringify(ev.data)).toString('base64'));
rev.setEvent(rec);
rev.setCommitPosition('9007199254740993');
re.setEvent(rev);
const rb = Buffer.from(re.serializeBinary());
console.log(decodeRead(rb));
const bench = (name: string, f: (i: number) => unknown, n = 50000) => {
  for (let i = 0; i < 10000; i++) f(i);
  const rounds: number[] = [];
  for (let r = 0; r < 5; r++) {
    const t = performance.now();
    for (let i = 0; i < n; i++) f(i);
    rounds.push(((performance.now() - t) / n) * 1000);
  }
  rounds.sort((a, b) => a - b);
  console.log(name.padEnd(40), rounds.map((x) => x.toFixed(2)).join(' '), 'µs');
};
bench('encodeAppend 1 event', (i) =>
  encodeAppend({
    number: i,
    stream: 'task-default.1',
    events: [ev],
    expectedRevision: 'no_stream',
    deadlineMs: 1795254642344,
  }),
);
bench('decodeRead', () => decodeRead(rb));
bench('generated read', () => convertGrpcEvent(streams.ReadResp.deserializeBinary(rb).getEvent()!));
bench('JSON.parse both', () => {
  JSON.parse(JSON.stringify(ev.data));
});
