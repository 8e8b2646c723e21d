import type { EventIndex } from '../index/event-index.ts';
import { GROUP_HEADER, readGroupHeader } from '../storage/group.ts';
import { DamagedLog } from '../storage/log.ts';
import { Flag, isIntactRecord, StoredRecord } from '../storage/record.ts';
import type { SegmentLog } from '../storage/segment-log.ts';
import { WindowReader } from '../storage/window-reader.ts';

/**
 * Checks the groups of the log and adds the events from `indexed` on to the index. A last group that is not whole is
 * cut: a crash interrupted its write, so it was never acknowledged. Damage in front of a later group or file, or in what
 * the index snapshot already covered, is not that: it throws `DamagedLog`. The rest is made durable before anybody sees it.
 */
export const recover = (log: SegmentLog, index: EventIndex, indexed: number): void => {
  if (log.end < indexed) {
    throw new DamagedLog(log.end, `the log ends at position ${log.end}, but ${indexed} bytes of it were durable`);
  }
  const reader = new WindowReader((position, length) => log.read(position, length));
  let position = Math.min(indexed, log.segmentStart(log.end));
  while (position < log.end) {
    const next = checkGroup(reader, position, (record) => {
      if (position >= indexed) addToIndex(index, record);
    });
    if (next === undefined) {
      refuseOrCut(log, reader, position, indexed);
      break;
    }
    position = next;
  }
  log.flushFound();
  index.publish();
};

const addToIndex = (index: EventIndex, record: StoredRecord): void => {
  index.add(index.intern(record.streamName), record.position, (record.flags & Flag.tombstone) !== 0);
};

/** Returns the position after the group, or undefined if the group is incomplete. Visits either all of it or nothing. */
const checkGroup = (reader: WindowReader, start: number, visit: (record: StoredRecord) => void): number | undefined => {
  const header = readGroupHeader(reader.at(start, GROUP_HEADER), 0, start);
  if (!header) return undefined;
  const body = reader.at(start + GROUP_HEADER, header.bodyLength);
  const records: StoredRecord[] = [];
  let at = 0;
  for (let i = 0; i < header.records; i++) {
    if (!isIntactRecord(body, at, start + GROUP_HEADER + at)) return undefined;
    const record = new StoredRecord(body, at);
    records.push(record);
    at += record.size;
  }
  if (at !== header.bodyLength) return undefined;
  for (const record of records) visit(record);
  return start + GROUP_HEADER + header.bodyLength;
};

const refuseOrCut = (log: SegmentLog, reader: WindowReader, damage: number, indexed: number): void => {
  // A file is started only when all of the previous file is durable.
  if (damage < indexed || damage < log.segmentStart(log.end) || reader.nextGroup(damage + 1, log.end) !== undefined) {
    const at = firstDamage(reader, damage);
    throw new DamagedLog(at, `the log is damaged at position ${at}, which was already durable; restore it from a copy`);
  }
  log.cut(damage);
};

/** Position of the first damaged record of a group, or of the group if its header is damaged. */
const firstDamage = (reader: WindowReader, start: number): number => {
  const header = readGroupHeader(reader.at(start, GROUP_HEADER), 0, start);
  if (!header) return start;
  const body = reader.at(start + GROUP_HEADER, header.bodyLength);
  let at = 0;
  while (isIntactRecord(body, at, start + GROUP_HEADER + at)) at += new StoredRecord(body, at).size;
  return start + GROUP_HEADER + at;
};
