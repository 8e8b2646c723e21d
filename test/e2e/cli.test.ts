import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type CarbonAgent, spawnCarbonAgent } from '../../src/examples/carbon/spawn-agent.ts';
import { type Ended, endOf, firstLine, runCli, runHere, startCli } from '../support/cli-process.ts';
import { freshDatabase, freshEventStore } from '../support/servers.ts';

const AGENT_WORK_MS = 400;
const SUPPLIER = { supplier: 'Acme', country: 'DEU', kWh: 120_000 };
/** 120,000 kWh at the factor of the package that is installed, to the gram. */
const TONNES = expect.any(Number);

let dataDir: string;
let stores: {
  eventStore: Awaited<ReturnType<typeof freshEventStore>>;
  database: Awaited<ReturnType<typeof freshDatabase>>;
};
let env: Record<string, string>;
let server: ChildProcessWithoutNullStreams;
let agent: CarbonAgent;

const baton = (...args: string[]): Promise<Ended> => runHere(args, { BATON_DATA_DIR: dataDir });
const batonProcess = (...args: string[]): Promise<Ended> => runCli(args, { BATON_DATA_DIR: dataDir });

const json = async <Value>(...args: string[]): Promise<Value> => {
  const { code, out, err } = await baton(...args, '--json');
  expect(code, err).toBe(0);
  expect(out.trimEnd()).not.toContain('\n');
  return JSON.parse(out) as Value;
};

const submit = async (input: object = SUPPLIER, ...more: string[]): Promise<string> =>
  (await json<{ taskId: string }>('tasks', 'submit', 'footprint', '--input', JSON.stringify(input), ...more)).taskId;

/** The newest position of the log, for queries that must see everything before it. */
const now = async (): Promise<string> => (await json<{ position: string }>('audit', 'verify')).position;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'baton-cli-'));
  const [eventStore, database] = await Promise.all([freshEventStore(), freshDatabase()]);
  stores = { eventStore, database };
  env = {
    BATON_DATA_DIR: dataDir,
    EVENTSTORE_URL: eventStore.connectionString,
    DATABASE_URL: database.url,
    REDIS_URL: inject('redisUrl'),
    BATON_ALLOW_PRIVATE_AGENTS: 'true',
    BATON_LOG_LEVEL: 'error',
  };
  server = startCli(['serve', '--port', '0', '--json'], env);
  server.stderr.pipe(process.stderr); // what it has to say when it ends before its time
  const ready = JSON.parse(await firstLine(server)) as Record<string, unknown>;
  expect(ready).toMatchObject({ url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/), pid: server.pid });
  agent = await spawnCarbonAgent('calculator', { workMs: AGENT_WORK_MS });
}, 60_000);

afterAll(async () => {
  await agent?.stop();
  if (server?.exitCode === null && server.signalCode === null) {
    server.kill('SIGKILL');
    await once(server, 'close');
  }
  await stores?.database.drop();
  await stores?.eventStore.stop();
  await rm(dataDir, { recursive: true, force: true });
});

describe('a task, from the shell', () => {
  it('starts with an agent that registers', async () => {
    expect((await stat(join(dataDir, 'server.json'))).mode & 0o777).toBe(0o600);
    const registered = await batonProcess(
      'agents',
      'register',
      'calculator-1',
      '--card',
      agent.cardUrl,
      '--label',
      'site=test',
    );
    expect(registered).toEqual({ code: 0, out: 'calculator-1 registered\n', err: '' });
    const again = await json('agents', 'register', 'calculator-1', '--card', agent.cardUrl, '--label', 'site=test');
    expect(again).toMatchObject({ agentId: 'calculator-1', repeated: true });
    const { out } = await baton('agents', 'list');
    expect(out).toMatch(/^calculator-1 +active +healthy +default +0\/10 +footprint@1\.0\.0/m);
    expect(await json('agents', 'get', 'calculator-1')).toMatchObject({ id: 'calculator-1', labels: { site: 'test' } });
  });

  it('can be followed to its result, and explained', async () => {
    const id = await submit();
    const watched = await batonProcess('tasks', 'watch', id);
    expect(watched.code).toBe(0);
    // A task that takes more than a moment is waited for in sight.
    expect(watched.err).toMatch(/^(attempt 1 is with calculator-1 since \S+\n)?$/);
    const types = watched.out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ +/)[1]);
    expect(types).toEqual(['TaskSubmitted', 'TaskAssigned', 'TaskCompleted']);
    const fresh = ['--at-least', await now()];
    expect(await json('tasks', 'get', id, ...fresh)).toMatchObject({
      id,
      status: 'COMPLETED',
      agentId: 'calculator-1',
      input: SUPPLIER,
      result: { tonnesCO2e: TONNES, country: 'DEU' },
    });
    const timeline = await json<{ type: string }[]>('tasks', 'timeline', id, ...fresh);
    expect(timeline.map(({ type }) => type)).toEqual(types);
    const why = await baton('tasks', 'why', id, ...fresh);
    expect(why.out).toMatch(/^attempt 1 to calculator-1 at .*\n {2}by least_loaded \(version 1\) among 1 eligible/);
    expect(await json('tasks', 'list', '--status', 'completed')).toMatchObject({ totalCount: 1, items: [{ id }] });
  });

  it('can be watched by a program, one change per line', async () => {
    const id = await submit();
    const { code, out } = await baton('tasks', 'watch', id, '--json');
    expect(code).toBe(0);
    const entries = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; position: string });
    expect(entries.at(-1)).toMatchObject({ type: 'TaskCompleted' });
    expect(entries.map(({ position }) => BigInt(position))).toEqual(
      entries.map(({ position }) => BigInt(position)).toSorted((a, b) => (a < b ? -1 : 1)),
    );
  });

  it('can end as a dead letter, which can be inspected and redriven', async () => {
    const waited = await baton(
      'tasks',
      'submit',
      'footprint',
      '--input',
      '{"supplier":"X","country":"XXX","kWh":1}',
      '--wait',
    );
    expect(waited).toMatchObject({ code: 1, err: expect.stringMatching(/^[0-9a-f-]{36}\n/) });
    expect(waited.out).toMatch(/^last error +UNKNOWN_COUNTRY: /m);
    const { items } = await json<{ items: { taskId: string }[] }>('dlq', 'list');
    expect(items).toHaveLength(1);
    const id = items[0]?.taskId ?? '';
    expect((await baton('tasks', 'why', id)).out).toMatch(
      new RegExp(
        `because +its last failure cannot be retried, .*\nlast failure +UNKNOWN_COUNTRY: .* \\(attempt 1, calculator-1\\)\n[^]*baton dlq redrive ${id}\n`,
      ),
    );
    expect((await baton('dlq', 'show', id)).out).toMatch(/^ +1 +failed +calculator-1 .* UNKNOWN_COUNTRY: /m);
    const [group] = await json<{ fingerprint: string }[]>('dlq', 'groups');
    expect(group).toMatchObject({ errorCode: 'UNKNOWN_COUNTRY', count: 1, taskId: id });
    expect((await baton('dlq', 'groups')).out).toMatch(/^[0-9a-f]{12} +1 +footprint +\S+ +UNKNOWN_COUNTRY: /m);
    const fingerprint = group?.fingerprint ?? '';
    expect(await json('dlq', 'redrive', '--all', '--fingerprint', fingerprint)).toMatchObject({ redriven: 1 });
    expect((await baton('tasks', 'watch', id)).code).toBe(1);
  });

  it('is waited for in sight, until Ctrl-C or a timeout, and can be waited for again', async () => {
    const why = 'no agent registered in pool default offers nobody.will\n';
    const child = startCli(['tasks', 'submit', 'nobody.will', '--wait'], { BATON_DATA_DIR: dataDir });
    const ended = endOf(child);
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
      if (err.includes(why)) child.kill('SIGINT');
    });
    const interrupted = await ended;
    const id = err.slice(0, err.indexOf('\n'));
    const again = `it goes on; to wait for it again: baton tasks watch ${id}\n`;
    expect(interrupted).toEqual({ code: 130, out: '', err: `${id}\n${why}\ntask ${id}: ${again}` });
    const timedOut = await baton('tasks', 'watch', id, '--timeout', '700ms');
    expect(timedOut).toMatchObject({ code: 124, out: expect.stringMatching(/^\S+ {2}TaskSubmitted .*\n$/) });
    expect(timedOut.err).toBe(`${why}error: task ${id} has not ended after 700 ms: ${why}${again}`);
    expect((await baton('tasks', 'submit', 'nobody.will', '--timeout', '1s')).err).toBe(
      'error: --timeout needs --wait\n',
    );
    expect(await baton('tasks', 'cancel', id)).toMatchObject({ code: 0 });
  });

  it('can be cancelled once', async () => {
    const { taskId, position } = await json<{ taskId: string; position: string }>('tasks', 'submit', 'nobody.can');
    expect((await baton('tasks', 'why', taskId, '--at-least', position)).out).toMatch(
      /^waiting since \S+: no agent registered in pool default offers nobody.can\n {2}kind of obstacle: no capable agent\n {2}to unblock it: register an agent in pool default that offers nobody.can\n$/,
    );
    expect(await baton('tasks', 'cancel', taskId)).toMatchObject({ code: 0, out: `${taskId} cancelled\n` });
    const again = await baton('tasks', 'cancel', taskId);
    expect(again).toMatchObject({ code: 1, out: '', err: 'error: a task that is cancelled cannot be cancelled\n' });
  });

  it('waits while its pool is paused, and says so', async () => {
    expect(await baton('pools', 'pause', 'default', '--reason', 'audit')).toMatchObject({
      code: 0,
      out: 'default is paused\n',
    });
    const id = await submit();
    const dependent = await submit(SUPPLIER, '--after', id);
    const atLeast = await now();
    expect((await baton('tasks', 'why', id, '--at-least', atLeast)).out).toMatch(
      /pool default is paused since .*Z \(audit\): resume it/,
    );
    const { url } = JSON.parse(await readFile(join(dataDir, 'server.json'), 'utf8')) as { url: string };
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/^baton_tasks_without_reason\{pool="default"\} 0$/m);
    const { out } = await baton('pools', 'list', '--at-least', atLeast);
    expect(out).toMatch(/^default +paused +footprint +2 /m);
    expect(await baton('pools', 'pause', 'default')).toMatchObject({
      code: 1,
      err: expect.stringContaining('already'),
    });
    expect(await baton('pools', 'resume', 'default')).toMatchObject({ code: 0, out: 'default is at work again\n' });
    expect(await baton('tasks', 'watch', id)).toMatchObject({ code: 0 });
    const [{ type: before }, { type: after }] = await json<[{ type: string }, { type: string }]>(
      'tasks',
      'timeline',
      id,
    );
    expect([before, after]).toEqual(['TaskSubmitted', 'TaskAssigned']);
    expect(await baton('tasks', 'watch', dependent)).toMatchObject({ code: 0 });
    const course = await json<{ type: string }[]>('tasks', 'timeline', dependent);
    expect(course.map(({ type }) => type).slice(0, 3)).toEqual(['TaskSubmitted', 'TaskUnblocked', 'TaskAssigned']);
  });

  it('is routed by a rule, which can be tried, and whose split is counted', async () => {
    const variants = [
      '--variant',
      '{"name":"old","percent":0}',
      '--variant',
      '{"name":"new","percent":100,"strategy":"weighted"}',
    ];
    const rule = [
      'rules',
      'set',
      'gold',
      '--when',
      '"gold" in tags',
      '--strategy',
      'round_robin',
      '--split-by',
      'input.supplier',
    ];
    expect(await baton(...rule, ...variants)).toMatchObject({
      code: 0,
      out: 'gold is set: it holds for tasks that are submitted from now on\n',
    });
    expect(await baton(...rule, ...variants)).toMatchObject({ code: 0, out: 'gold is as it was\n' });
    const task = ['footprint', '--tag', 'gold', '--input', JSON.stringify(SUPPLIER)];
    const tried = await baton('rules', 'try', ...task);
    expect(tried.out).toBe(
      'rule gold version 1, variant new decides about this task\nrouted by weighted\n  gold version 1, priority 100: decides\n',
    );
    const { taskId } = await json<{ taskId: string }>('tasks', 'submit', ...task);
    await baton('tasks', 'watch', taskId);
    const fresh = ['--at-least', await now()];
    expect((await baton('tasks', 'why', taskId, ...fresh)).out).toMatch(
      /by weighted \(version 1\) among .*\n {2}routed by rule gold version 1, variant new\n/,
    );
    expect((await baton('rules', 'split', 'gold', ...fresh)).out).toMatch(/^gold +1 +new +1 +0 +1 +0 +0 +0 /m);
    expect(await baton('rules', 'disable', 'gold', '--reason', 'over')).toMatchObject({ out: 'gold is disabled\n' });
    expect((await baton('rules', 'list')).out).toMatch(
      /^gold +1 +100 +disabled +"gold" in tags +round_robin; old 0 %: the same, new 100 %: weighted \(by input\.supplier\)$/m,
    );
    expect(await json('tasks', 'get', await submit())).toMatchObject({ rule: null, strategy: 'least_loaded' });
    expect(await baton('rules', 'remove', 'gold')).toMatchObject({ code: 0, out: 'gold is removed\n' });
  });

  it('waits for another task, and says so', async () => {
    const { taskId: first } = await json<{ taskId: string }>('tasks', 'submit', 'nobody.can');
    const { taskId, position } = await json<{ taskId: string; position: string }>(
      ...['tasks', 'submit', 'footprint', '--complexity', '2', '--after', first],
    );
    expect((await baton('tasks', 'why', taskId, '--at-least', position)).out).toContain(
      `waits for task ${first} (ready)`,
    );
    expect(await json('tasks', 'get', taskId)).toMatchObject({
      status: 'BLOCKED',
      timeoutMs: 600_000,
      dependsOn: [first],
    });
    expect(await baton('tasks', 'cancel', first)).toMatchObject({ code: 0 });
    expect(await baton('tasks', 'watch', taskId)).toMatchObject({
      code: 1,
      out: expect.stringContaining(`task ${first}, which it depends on, was cancelled`),
    });
    expect(await baton('tasks', 'submit', 'footprint', '--after', first)).toMatchObject({
      code: expect.any(Number),
      out: '',
      err: expect.stringContaining(`/dependsOn/0: task ${first} was cancelled`),
    });
  });

  it('can be one of many in a file; the same key submits none of them twice', async () => {
    const lines = Array.from(
      { length: 1_200 },
      () => '{"capability":"nobody.can","input":{},"priority":5,"tags":["many"]}',
    );
    const file = join(dataDir, 'many.jsonl');
    await writeFile(file, [...lines, '{"capability":"nobody.can","deadlineAt":"2020-01-01T00:00:00Z"}'].join('\n'));
    const first = await baton('tasks', 'submit-many', file, '--idempotency-key', 'many');
    expect(first.code).toBe(1);
    expect(first.err).toMatch(new RegExp(`^${file}:1201: .*\\n1200 tasks submitted, 1 refused\\n$`));
    const again = await baton('tasks', 'submit-many', file, '--idempotency-key', 'many', '--json');
    const { position } = JSON.parse(again.out) as { position: string };
    const { items, totalCount } = await json<{ items: { id: string }[]; totalCount: number }>(
      ...['tasks', 'list', '--tag', 'many', '--limit', '2000', '--at-least', position],
    );
    expect([items.length, totalCount]).toEqual([1_200, 1_200]);
    expect(new Set(items.map(({ id }) => id))).toEqual(new Set(first.out.trimEnd().split('\n')));
  });
});

describe('the log, read without the server', () => {
  it('verifies, and has the same digest for the same position', async () => {
    const now = await json<{ digest: string; position: string; events: number }>('audit', 'verify');
    expect(now).toMatchObject({ verified: true, defects: [], foreignEvents: 0 });
    expect(now.events).toBeGreaterThan(1_200);
    await submit();
    const then = await json<{ digest: string }>('audit', 'verify', '--to', now.position);
    expect(then.digest).toBe(now.digest);
    expect((await json<{ digest: string }>('audit', 'verify')).digest).not.toBe(now.digest);
  });

  it('replays a task with its state after each event', async () => {
    const id = await submit();
    await baton('tasks', 'watch', id);
    const steps = await json<{ type: string; state: string }[]>('audit', 'replay', id);
    expect(steps.map(({ type, state }) => [type, state])).toEqual([
      ['TaskSubmitted', 'open, attempt 1'],
      ['TaskCompleted', 'completed, attempt 1'],
    ]);
    expect((await baton('audit', 'replay', 'calculator-1')).out).toContain('AgentRegistered  active, healthy');
    expect((await baton('audit', 'replay', 'default')).out).toContain('PoolWriterElected');
    expect(await baton('audit', 'replay', 'nobody')).toMatchObject({ code: 1, out: '' });
  });

  it('gives each decision again, and names what a task was never given', async () => {
    const id = await submit();
    await baton('tasks', 'watch', id);
    const all = await json<{ counts: Record<string, number>; decisions: unknown[] }>('audit', 'recompute', '--all');
    expect(all).toMatchObject({ counts: { different: 0, not_comparable: 0 }, unreadable: 0, decisions: [] });
    expect(all.counts['same']).toBeGreaterThan(0);
    const one = await baton('audit', 'recompute', id);
    expect(one).toMatchObject({ code: 0, err: '' });
    expect(one.out).toMatch(new RegExp(`^same +task ${id}, attempt 1: calculator-\\d by least_loaded version 1`));
    const unknown = await baton('audit', 'recompute', '0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11');
    expect(unknown).toMatchObject({ code: 1, out: '' });
    expect(unknown.err).toContain('was never assigned');
  });
});

describe('the read models', () => {
  it('are up to date with the log, equal to a fold of it, and can be rebuilt from it', async () => {
    await json('tasks', 'list', '--at-least', await now());
    const projections = await json<{ name: string; status: string; parked: number }[]>('projections', 'list');
    expect(projections.map(({ name }) => name)).toEqual([
      'agents',
      'tasks',
      'assignments',
      'audit_log',
      'workflows',
      'executions',
      'breakers',
    ]);
    for (const { status, parked } of projections) expect([status, parked]).toEqual(['LIVE', 0]);
    const before = await json<{ tables: { name: string; rows: string; liveDigest: string }[] }[]>(
      'projections',
      'verify',
    );
    expect(before.flatMap(({ tables }) => tables).find(({ name }) => name === 'tasks')?.rows).toMatch(/^1\d{3}$/);
    expect(await json('projections', 'rebuild', '--all')).toHaveLength(7);
    const after = await json<{ verified: boolean; tables: { liveDigest: string }[] }[]>('projections', 'verify');
    expect(after.map(({ verified }) => verified)).toEqual(Array(7).fill(true));
    const digests = (of: { tables: { liveDigest: string }[] }[]) =>
      of.flatMap(({ tables }) => tables.map(({ liveDigest }) => liveDigest));
    expect(digests(after)).toEqual(digests(before));
    expect(await json('projections', 'retry', 'tasks')).toMatchObject({ retried: 0, remaining: 0 });
    expect(await baton('projections', 'verify', 'nope')).toMatchObject({ code: 1, out: '' });
  });
});

describe('an error', () => {
  it.each([
    [['tasks', 'list', '--limit=ten'], 2, "argument 'ten' is invalid"],
    [['tasks', 'submit', 'footprint', '--input', '{"a":}'], 2, 'Allowed: JSON'],
    [['tasks', 'submit', 'foot print'], 2, '/input/capability: must match'],
    [['tasks', 'submit', 'footprint', '--pool', 'a-b'], 2, '/input/pool: must match'],
    [
      ['tasks', 'submit', 'footprint', '--version-range', '>=1.0.0 <0.5.0'],
      2,
      '/input/versionRange: BAD_VERSION_RANGE',
    ],
    [['tasks', 'submit', 'footprint', '--deadline', '2020-01-01T00:00:00Z'], 1, 'the deadline'],
    [['tasks', 'get', 'nope'], 1, 'task "nope" does not exist'],
    [['tasks', 'watch', '0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11'], 1, 'does not exist'],
    [['tasks', 'list', '--after', 'nonsense'], 2, 'cursor'],
    [['agents', 'register', 'a', '--card', 'http://127.0.0.1:6379'], 2, '/input/cardUrl: '],
    [['agents', 'register', 'a b', '--card', 'http://127.0.0.1:7001'], 2, '/input/agentId: must match'],
    [
      ['rules', 'set', 'a', '--when', 'input.list.exists(x, x > 1)', '--strategy', 'weighted'],
      2,
      '/rule/when: BAD_EXPRESSION',
    ],
    [['rules', 'disable', 'nothing'], 1, 'rule nothing does not exist'],
    [['agents', 'drain', 'nobody'], 1, 'agent nobody does not exist'],
    [['tasks', 'submit-many', tmpdir()], 2, 'is a directory'],
    [['tasks', 'list', '--url', 'http://127.0.0.1:1'], 3, 'nothing listens there'],
    [['tasks', 'list', '--url', 'https://127.0.0.1:1'], 3, 'nothing listens there'],
  ] as const)('is told in a line, without a stack: %s', async (args, code, message) => {
    const ended = await baton(...args);
    expect(ended.code, ended.err).toBe(code);
    expect(ended.out).toBe('');
    expect(ended.err).toContain(message);
    expect(ended.err).not.toMatch(/^\s+at /m);
  });

  it.each([
    [['tasks', 'list', '--nope'], 2],
    [['tasks', 'get', 'nope'], 1],
    [['tasks', 'list', '--url', 'http://127.0.0.1:1'], 3],
  ] as const)('ends the process with the exit code of its kind: %s', async (args, code) => {
    expect(await batonProcess(...args)).toMatchObject({ code, out: '' });
  });

  it('is reported with its place in a file, and nothing is submitted', async () => {
    const fresh = ['--at-least', await now()];
    const { totalCount } = await json<{ totalCount: number }>('tasks', 'list', '--limit', '1', ...fresh);
    const ended = await runHere(
      ['tasks', 'submit-many', '-'],
      { BATON_DATA_DIR: dataDir },
      '{"capability":"a"}\r\n{"capability":"a"\r\n',
    );
    expect(ended).toMatchObject({ code: 2, out: '' });
    expect(ended.err).toMatch(/^error: stdin:2:\d+: not valid JSON\n/);
    expect(await json('tasks', 'list', '--limit', '1', '--at-least', await now())).toMatchObject({ totalCount });
  });

  it('is not printed when nobody reads the output any more', async () => {
    const child = startCli(['tasks', 'list', '--tag', 'many', '--limit', '1200'], { BATON_DATA_DIR: dataDir });
    child.stdout.destroy();
    const { code, err } = await endOf(child);
    expect({ code, err }).toEqual({ code: 141, err: '' });
  });
});

describe('a server', () => {
  it('is checked by the doctor, with the stores that it uses', async () => {
    const { code, out } = await baton('doctor', '--json');
    const checks = JSON.parse(out) as { name: string; status: string }[];
    expect(checks.find(({ name }) => name === 'server')).toMatchObject({ status: 'ok' });
    // The servers of the tests may do without durability, which the doctor does not let pass.
    expect(code).toBe(checks.some(({ status }) => status === 'fail') ? 1 : 0);
    expect(checks.map(({ name }) => name)).toEqual(expect.arrayContaining(['event store', 'postgres', 'redis']));
  });

  it('is no agent of its own', async () => {
    const { url } = JSON.parse(await readFile(join(dataDir, 'server.json'), 'utf8')) as { url: string };
    for (const host of ['127.0.0.1', 'localhost', '127.0.0.77']) {
      const card = `${url.replace('127.0.0.1', host)}/graphql`;
      const { code, err } = await baton('agents', 'register', 'itself', '--card', card);
      expect([code, err]).toEqual([2, expect.stringContaining('own_origin')]);
    }
  });

  it('stops on SIGTERM within five seconds and withdraws its announcement', async () => {
    expect([server.exitCode, server.signalCode]).toEqual([null, null]);
    const startedAt = performance.now();
    const closed = once(server, 'close');
    server.kill('SIGTERM');
    expect(await closed).toEqual([0, null]);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    const { code, err } = await baton('tasks', 'list');
    expect(code).toBe(3);
    expect(err).not.toContain('no longer runs');
  });

  it('that was killed is reported, with advice', async () => {
    server = startCli(['serve', '--port', '0', '--json'], { ...env, BATON_PROT: 'x' });
    let warnings = '';
    server.stderr.on('data', (chunk: Buffer) => {
      warnings += chunk.toString();
    });
    await firstLine(server);
    expect(warnings).toContain('warning: unknown setting BATON_PROT (did you mean BATON_PORT?)');
    const closed = once(server, 'close');
    server.kill('SIGKILL');
    await closed;
    const { code, err } = await baton('tasks', 'list');
    expect(code).toBe(3);
    expect(err).toContain(`(process ${server.pid}) no longer runs`);
    expect(err).toContain('npm start');
  });

  it('that meets an uncaught error logs it once and stops in order', async () => {
    const bugs = `process.on('SIGUSR2', () => {
      Promise.reject(new Error('first bug'));
      setImmediate(() => { throw new Error('second bug'); });
    });`;
    const faulty = startCli(['serve', '--port', '0', '--json'], {
      ...env,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(bugs)}`,
    });
    const ended = endOf(faulty);
    await firstLine(faulty);
    faulty.kill('SIGUSR2');
    const { code, err } = await ended;
    expect(code).toBe(1);
    expect(err.match(/a bug in Baton; stopping/g)).toHaveLength(1);
    expect(err).toContain('first bug');
    expect(err).not.toContain('second bug');
    expect((await baton('tasks', 'list')).err).not.toContain('no longer runs');
  });

  it('refuses to start with bad settings, and names them all at once', async () => {
    const bad = { ...env, BATON_LEASE_MS: '1', BATON_PROT: 'x', DATABASE_URL: 'mysql://user:secret@host/db' };
    const { code, out, err } = await runCli(['serve', '--port', '70000'], bad);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    for (const part of ['--port="70000"', 'BATON_LEASE_MS="1"', 'DATABASE_URL="mysql://***@host/db"'])
      expect(err).toContain(part);
    expect(err).not.toContain('secret');
  });
});
