import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { readSnapshot } from './snapshot.ts';

it('a snapshot too large to read in one piece counts as missing, not as an error', () => {
  const folder = mkdtempSync(join(tmpdir(), 'eventstore-node-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'index.snapshot');
  writeFileSync(path, '');
  truncateSync(path, 2 ** 31); // a hole: takes no room
  expect(readSnapshot(folder)).toMatchObject({ logEnd: 0 });
});
