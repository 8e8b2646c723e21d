import { NodeNotStarted } from 'baton-eventstore-node';
import { describe, expect, it } from 'vitest';
import { ServerStartError } from './server-process.ts';
import { startFailure } from './start-failure.ts';

const system = (code: string): Error => Object.assign(new Error(`${code}: no, mkdir '/data'`), { code });
const node = (name: string, message: string, code?: string): Error =>
  new NodeNotStarted('did not start', { name, message, ...(code === undefined ? {} : { code }) });

describe('an embedded server that does not start', () => {
  it.each([
    [system('EACCES'), 'UNAVAILABLE', /^\/data cannot be used: permission is denied .*set BATON_DATA_DIR/],
    [system('EEXIST'), 'UNAVAILABLE', /a file of that name is in the way/],
    [system('ENOSPC'), 'UNAVAILABLE', /^the disk with \/data is full .*free some space and start again/],
    [node('Error', 'write', 'ENOSPC'), 'UNAVAILABLE', /^the disk with \/data is full/],
    [node('UnusableIdentity', 'node.json is damaged; delete it'), 'CONFLICT', /^node\.json is damaged; delete it$/],
    [node('DamagedLog', 'damaged at 331'), 'CONFLICT', /damaged at 331.*`baton eventstore verify --data \/data`/],
    [
      new ServerStartError('redis', 'ended', 'starting\n*** FATAL CONFIG FILE ERROR\n>>> x\n'),
      'UNAVAILABLE',
      /^redis does not start: FATAL CONFIG FILE ERROR.*mv \/data \/data\.old && baton serve/,
    ],
    [
      new ServerStartError('postgres', 'ended', '2026 LOG: up\n2026 [1] PANIC:  write: No space left on device\n'),
      'UNAVAILABLE',
      /^the disk with \/data is full \(PANIC: {2}write: No space left on device\)/,
    ],
  ])('says what is wrong and what to do: %s', (error, code, message) => {
    expect(startFailure(error, '/data')).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('is a bug when nothing else explains it', () => {
    const bug = new TypeError('x');
    expect(startFailure(bug, '/data')).toBe(bug);
  });
});
