import { closeSync, fstatSync, fsyncSync, openSync, readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { syncFolder } from './durable-files.ts';

/** One file of the log, named after the position of its first byte. */
export type Segment = {
  readonly base: number;
  readonly path: string;
  readonly fd: number;
  /** Bytes of the log in this file. */
  size: number;
  /** Length of the file: the log may be followed by zeros, space allocated in advance. */
  allocated: number;
};

const NAME = /^segment-(\d{16})\.log$/;

/** Opens all segments of a folder, oldest first. */
export const openSegments = (folder: string, mode: 'r' | 'r+' = 'r+'): Segment[] => {
  const bases = readdirSync(folder)
    .map((name) => NAME.exec(name)?.[1])
    .filter((base) => base !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
  return bases.map((base) => openSegment(folder, base, mode));
};

/** Creates the next segment; its name is durable before this returns. */
export const createSegment = (folder: string, base: number): Segment => {
  const segment = openSegment(folder, base, 'wx+');
  try {
    fsyncSync(segment.fd);
    syncFolder(folder);
    return segment;
  } catch (error) {
    closeSync(segment.fd);
    unlinkSync(segment.path);
    throw error;
  }
};

const openSegment = (folder: string, base: number, mode: string): Segment => {
  const path = join(folder, `segment-${String(base).padStart(16, '0')}.log`);
  const fd = openSync(path, mode, 0o600);
  const { size } = fstatSync(fd);
  return { base, path, fd, size, allocated: size };
};
