import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Creates a folder, and those above it, whose names are durable then. Not `mkdirSync` with `recursive`, which never
 * returns where a folder takes no others, as `/proc` does.
 */
export const createFolder = (path: string): void => {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && existsSync(path) && statSync(path).isDirectory()) return;
    const parent = dirname(path);
    if (code !== 'ENOENT' || existsSync(parent)) throw error;
    createFolder(parent);
    mkdirSync(path, { mode: 0o700 });
  }
  syncFolder(dirname(path));
};

/** Makes the names in a folder durable. */
export const syncFolder = (folder: string): void => {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
};

/** Writes a whole file so that after a crash it has either its old or its new content. */
export const replaceFile = async (folder: string, name: string, content: Buffer): Promise<void> => {
  const path = join(folder, name);
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  syncFolder(folder);
};
