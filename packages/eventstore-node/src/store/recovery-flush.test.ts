import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { openDataFolder } from './data-folder.ts';

const flushed = vi.hoisted(() => ({ files: 0, folders: 0 }));

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  return {
    ...fs,
    fdatasyncSync: (fd: number) => {
      flushed.files++;
      fs.fdatasyncSync(fd);
    },
    fsyncSync: (fd: number) => {
      if (fs.fstatSync(fd).isDirectory()) flushed.folders++;
      fs.fsyncSync(fd);
    },
  };
});

it('what a killed node wrote but did not flush is made durable before readers see it', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'eventstore-node-')), 'data');
  onTestFinished(() => rmSync(path, { recursive: true }));
  await (await openDataFolder(path)).close();

  Object.assign(flushed, { files: 0, folders: 0 });
  const folder = await openDataFolder(path);
  expect(flushed).toEqual({ files: 1, folders: 1 });
  await folder.close();
});
