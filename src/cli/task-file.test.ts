import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Failure } from './failure.ts';
import { readTasks } from './task-file.ts';
import type { Terminal } from './terminal.ts';

const terminal = (stdin = ''): Terminal => ({
  env: {},
  stdin: Readable.from([Buffer.from(stdin)]),
  out: () => {},
  err: () => {},
  progress: undefined,
  colour: false,
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'baton-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const file = async (content: string | Buffer): Promise<string> => {
  const path = join(folder, 'tasks.jsonl');
  await writeFile(path, content);
  return path;
};

const failureOf = async (path: string, stdin = ''): Promise<Failure> => {
  const outcome = await readTasks(terminal(stdin), path).catch((error: unknown) => error);
  if (outcome instanceof Failure) return outcome;
  throw new Error(`expected a failure, got ${JSON.stringify(outcome)}`);
};

describe('a file of tasks', () => {
  it('may be JSON lines, with any line ending, blank lines and a byte order mark', async () => {
    const path = await file('\ufeff{"capability":"a"}\r\n\r\n{"capability":"b","priority":1,"idempotencyKey":"k"}\n');
    const tasks = await readTasks(terminal(), path);
    expect(tasks.map(({ place }) => place)).toEqual([`${path}:1`, `${path}:3`]);
    expect(tasks[1]).toMatchObject({ idempotencyKey: 'k', task: { capability: 'b', priority: 1 } });
  });

  it('may be a JSON list', async () => {
    const tasks = await readTasks(terminal(), await file('\n [{"capability":"a"}, {"capability":"b"}]\n'));
    expect(tasks).toHaveLength(2);
  });

  it('may spell enum values as the API does', async () => {
    const line = '{"capability":"a","strategy":"ROUND_ROBIN","retry":{"kind":"FIXED"}}';
    const [task] = await readTasks(terminal(line), '-');
    expect(task?.task).toMatchObject({ strategy: 'round_robin', retry: { kind: 'fixed' } });
  });

  it.each([
    ['{"capability":"a"}\n{"capability":}', ':2:15: not valid JSON'],
    ['[{"capability":"a"},\n {"capability":"b",}]', ':2:20: not valid JSON'],
    ['{"capability":"a","input":{"a":1,"a":2}}', 'the key "a" appears twice'],
    ['{"capability":"a","priority":9}', ':1: /priority: '],
    ['[{"capability":"a"},{"capability":"a","timeoutSecond":9}]', ': task 2: '],
    ['"a"', ':1: '],
    ['   \n', 'contains no task'],
    ['[]', 'contains no task'],
    [Buffer.from([0x7b, 0xff, 0x7d]), 'not valid UTF-8'],
  ])('is refused with its place: %s', async (content, message) => {
    const failure = await failureOf(await file(content));
    expect(failure.exitCode).toBe(2);
    expect(failure.message).toContain(message);
  });

  it('is refused when it is missing, a folder, or implausibly large', async () => {
    expect((await failureOf(join(folder, 'missing'))).message).toContain(': no such file');
    expect((await failureOf(folder)).message).toContain('is a directory');
    const path = await file('');
    await truncate(path, 5 * 1024 ** 3); // sparse
    expect((await failureOf(path)).message).toContain('5120 MiB, at most 256 MiB');
  });
});
