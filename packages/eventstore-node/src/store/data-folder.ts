import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { EventIndex } from '../index/event-index.ts';
import { readSnapshot, writeSnapshot } from '../index/snapshot.ts';
import { createFolder, replaceFile } from '../storage/durable-files.ts';
import { lockFolder } from '../storage/folder-lock.ts';
import type { Log } from '../storage/log.ts';
import { SegmentLog } from '../storage/segment-log.ts';
import { recover } from './recovery.ts';

const IDENTITY_FILE = 'node.json';
const FORMAT = 1;

/** `node.json` is not what a node of this version wrote. */
class UnusableIdentity extends Error {
  override readonly name = 'UnusableIdentity';
}

/** An opened data folder. */
export type DataFolder = {
  readonly log: Log;
  readonly index: EventIndex;
  readonly instanceId: string;
  /** Events in the snapshot the index was read from. */
  readonly savedEvents: number;
  /** Writes the index snapshot. To be called when nothing is pending; what comes while it writes may wait for the next. */
  saveIndex(): Promise<void>;
  close(): Promise<void>;
};

/**
 * Locks the folder, creates it if need be, and brings the index up to date with the log.
 * Throws `FolderInUse`, `UnusableIdentity`, or `DamagedLog` if stored events are not intact.
 */
export const openDataFolder = async (folder: string): Promise<DataFolder> => {
  createFolder(resolve(folder));
  const lock = await lockFolder(folder);
  try {
    const instanceId = await readOrCreateIdentity(folder);
    const { index, logEnd } = readSnapshot(folder);
    const savedEvents = index.count;
    const log = SegmentLog.open(folder);
    recover(log, index, logEnd);
    return {
      log,
      index,
      instanceId,
      savedEvents,
      saveIndex: () => writeSnapshot(folder, index, log.end),
      close: async () => {
        await log.close();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
};

const readOrCreateIdentity = async (folder: string): Promise<string> => {
  const path = join(folder, IDENTITY_FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const instanceId = randomUUID();
    await replaceFile(folder, IDENTITY_FILE, Buffer.from(`${JSON.stringify({ format: FORMAT, instanceId })}\n`));
    return instanceId;
  }
  return readIdentity(path, text);
};

const readIdentity = (path: string, text: string): string => {
  let identity: { readonly format?: unknown; readonly instanceId?: unknown } | null;
  try {
    identity = JSON.parse(text);
  } catch {
    identity = null; // not JSON
  }
  if (typeof identity?.format === 'number' && identity.format !== FORMAT)
    throw new UnusableIdentity(`${path}: data format ${identity.format} is not supported, only ${FORMAT}`);
  if (identity?.format !== FORMAT || typeof identity.instanceId !== 'string')
    throw new UnusableIdentity(`${path} is damaged; restore it from a copy, or delete it and the node takes a new id`);
  return identity.instanceId;
};
