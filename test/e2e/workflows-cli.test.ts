import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Baton, startBaton } from '../../src/baton.ts';
import { run } from '../../src/cli/run.ts';
import { AgentFailure } from '../../src/dispatch/transports/local.ts';
import { readConfig } from '../../src/platform/config.ts';
import { type Ended, runCli, runHere } from '../support/cli-process.ts';
import { freshDatabase, freshEventStore } from '../support/servers.ts';

const HOST_EVENTS = ['uncaughtException', 'unhandledRejection', 'SIGINT', 'SIGTERM', 'SIGHUP'];

let folder: string;
let stores: {
  eventStore: Awaited<ReturnType<typeof freshEventStore>>;
  database: Awaited<ReturnType<typeof freshDatabase>>;
};
let baton: Baton;
let env: Record<string, string>;
/** Position of the publication of `order`. */
let published: string;

/** Calls of the agent `slow` wait here until they are let go. */
const gate = {
  waiting: [] as (() => void)[],
  async arrived(count = 1): Promise<void> {
    await expect.poll(() => this.waiting.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(count);
  },
  open(): void {
    for (const release of this.waiting.splice(0)) release();
  },
};
/** Whether the compensation of `pay` works. */
let refunds = false;

const cli = (...args: string[]): Promise<Ended> => runHere(['workflows', ...args], env);

const json = async <Value>(...args: string[]): Promise<Value> => {
  const { code, out, err } = await cli(...args, '--json');
  expect(code, `${out}${err}`).toBe(0);
  expect(out.trimEnd()).not.toContain('\n');
  return JSON.parse(out) as Value;
};

const start = async (name: string, ...args: string[]): Promise<string> =>
  (await json<{ executionId: string }>('start', name, ...args)).executionId;

/** Read models come after the log: what is asked of an execution waits for its last event. */
const fresh = async (command: string, id: string): Promise<[string, string, string, string]> => {
  const { events } = await json<{ events: { position: string }[] }>('replay', id);
  return [command, id, '--at-least', events.at(-1)?.position ?? ''];
};

type Step = { readonly id: string; readonly state: string };
const statusOf = async (id: string) =>
  json<{ status: string; steps: Step[]; output: unknown }>(...(await fresh('status', id)));
const statusText = async (id: string): Promise<string> => (await cli(...(await fresh('status', id)))).out;

const statesOf = async (id: string): Promise<string> =>
  (await statusOf(id)).steps.map((step) => `${step.id} ${step.state.toLowerCase()}`).join(', ');

const write = async (name: string, text: string): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
};

const ORDER = `
name: order
version: 1.0.0
description: Takes an order to its customer
pattern: saga
tasks:
  - id: reserve
    capability: work
    compensation: { capability: undo }
  - id: pay
    capability: work
    dependsOn: [reserve]
    input: { amount: = input.amount }
    compensation: { capability: refund }
  - id: ship
    capability: slow
    dependsOn: [pay]
    onFailure: fail
    retry: { maxAttempts: 1 }
output: { paid: = tasks.pay.output.amount }
`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'baton-workflows-'));
  const [eventStore, database] = await Promise.all([freshEventStore(), freshDatabase()]);
  stores = { eventStore, database };
  const servers = {
    BATON_DATA_DIR: folder,
    EVENTSTORE_URL: eventStore.connectionString,
    DATABASE_URL: database.url,
    REDIS_URL: inject('redisUrl'),
  };
  const handlers = () => HOST_EVENTS.map((name) => process.listenerCount(name));
  const before = handlers();
  baton = await startBaton(readConfig({ ...servers, BATON_PORT: '0', BATON_LOG_LEVEL: 'error' }));
  expect(handlers()).toEqual(before); // they are its host's
  env = { ...servers, BATON_URL: baton.url ?? '' };
  const agent = (agentId: string, ...names: string[]) => ({ agentId, capabilities: names.map((name) => ({ name })) });
  await baton.agent(agent('worker', 'work', 'undo'), (input) => input);
  await baton.agent(agent('slowly', 'slow'), async (input) => {
    await new Promise<void>((resolve) => gate.waiting.push(resolve));
    if ((input as { fail?: boolean } | null)?.fail === true)
      throw new AgentFailure('REFUSED', 'not today', { retryable: false });
    return { done: true };
  });
  await baton.agent(agent('cashier', 'refund'), () => {
    if (!refunds) throw new AgentFailure('BANK_CLOSED', 'the bank is closed', { retryable: false });
    return null;
  });
  const order = await json<{ position: string }>('publish', await write('order.yaml', ORDER));
  expect(order).toMatchObject({ name: 'order', repeated: false });
  published = order.position;
}, 120_000);

afterAll(async () => {
  gate.open();
  await baton?.stop();
  await stores?.database.drop();
  await stores?.eventStore.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('a version of a workflow', () => {
  it('can be checked without a server, is published once, and is shown with its plan', async () => {
    const file = join(folder, 'order.yaml');
    const checked = await runHere(['workflows', 'validate', file], {});
    expect(checked).toMatchObject({ code: 0, err: '' });
    expect(checked.out).toMatch(/^critical path +reserve → pay → ship +\(3 tasks, no estimates\)$/m);
    expect(checked.out).toContain('NO_COMPENSATION');
    expect(await cli('publish', file)).toMatchObject({ code: 0, out: 'order@1.0.0 was already published\n' });
    const shown = await cli('show', 'order', '--at-least', published);
    expect(shown.out).toMatch(/^workflow +order@1\.0\.0$/m);
    expect(shown.out).toMatch(/^ +2 {2}pay$/m);
    expect(await json('list', '--name', 'order', '--at-least', published)).toMatchObject({
      totalCount: 1,
      items: [{ taskCount: 3 }],
    });
    const drawn = await cli('graph', 'order', '--at-least', published);
    expect(drawn.out).toContain('n1["pay<br/>work"]');
    expect((await cli('graph', file)).out).toBe(drawn.out);
  });

  it('does not change once it is published', async () => {
    const file = await write('changed.yaml', ORDER.replace('capability: slow', 'capability: work'));
    const { code, out, err } = await cli('publish', file);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain('1.0.0');
  });

  it('can be retired', async () => {
    await json('publish', await write('old.yaml', ORDER.replace('name: order', 'name: old')));
    expect(await cli('deprecate', 'old', '1.0.0', '--reason', 'slow')).toMatchObject({ out: 'old@1.0.0 deprecated\n' });
    expect((await cli('start', 'old')).code).toBe(2);
    expect(await cli('archive', 'old', '1.0.0')).toMatchObject({ code: 0, out: 'old@1.0.0 archived\n' });
    const { code, err } = await cli('start', 'old', '--version', '1.0.0');
    expect(code).toBe(2);
    expect(err).toContain('VERSION_ARCHIVED');
  });
});

describe('an execution', () => {
  it('is started once per key, watched to its end, and replayed from the log', async () => {
    const args = ['order', '--input', '{"amount":3}', '--tag', 'first', '--idempotency-key', 'order-1'];
    const id = await start(...(args as [string, ...string[]]));
    expect(await start(...(args as [string, ...string[]]))).toBe(id);
    await gate.arrived();
    const why = await cli(...(await fresh('why', id)));
    expect(why.out).toMatch(/nothing is waiting; the execution is executing/);
    const watched = cli('watch', id);
    gate.open();
    const { code, out, err } = await watched;
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const types = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ +/)[1]);
    expect(types[0]).toBe('ExecutionStarted');
    expect(types.at(-1)).toBe('ExecutionCompleted');
    expect(await statusOf(id)).toMatchObject({ status: 'COMPLETED', output: { paid: 3 }, tags: ['first'] });
    const text = await statusText(id);
    expect(text).toMatch(/^ship +completed +1 +slowly /m);
    expect(text).toMatch(/^time spent +.*agents/m);
    const listed = await json<{ items: { id: string }[] }>(
      'executions',
      '--tag',
      'first',
      ...(await fresh('', id)).slice(2),
    );
    expect(listed.items.map((one) => one.id)).toEqual([id]);
    const replayed = await cli('replay', id);
    expect(replayed.code, replayed.out).toBe(0);
    expect(replayed.out).toContain("the replayed state equals the server's\n");
    expect(replayed.out).toMatch(/^ +\d+ +\d+ +\S+ +TaskCompleted +pay +completed by worker in attempt 1 /m);
    expect((await cli(...(await fresh('graph', id)))).out).toContain(':::completed');
    expect((await cli('graph', id, '--format', 'dot')).out).toMatch(/^digraph "order@1\.0\.0, execution /);
  });

  it('can be waited for, and shown on a terminal while it runs', async () => {
    const screen = { columns: 90, rows: 20, text: '' };
    const output = { out: '' };
    const terminal = {
      env,
      stdin: Readable.from([]),
      out: (text: string) => {
        output.out += text;
      },
      err: () => {},
      progress: {
        ...screen,
        write: (text: string) => {
          screen.text += text;
          return true;
        },
      } as unknown as NodeJS.WriteStream,
      colour: false,
    };
    const running = run(terminal, ['workflows', 'start', 'order', '--input', '{"amount":1}', '--watch']);
    await gate.arrived();
    await expect.poll(() => screen.text, { timeout: 20_000 }).toMatch(/● ship/);
    gate.open();
    expect(await running).toBe(0);
    // The picture is drawn over the one before: 4 or 5 lines up, 6 with the line that says why a step waits.
    expect(screen.text.replaceAll('\u001b', 'ESC')).toMatch(/ESC\[[456]AESC\[J/);
    expect(screen.text).toMatch(/\[={30}\] 100 % {2}3 of 3 steps {2}completed/);
    expect(output.out).toMatch(/^\S+ +ExecutionCompleted +completed after \d+ ms\n$/);
    const waiting = cli('start', 'order', '--input', '{"amount":2}', '--wait');
    await gate.arrived();
    gate.open();
    const { code, out } = await waiting;
    expect(code).toBe(0);
    expect(out).toMatch(/^output +\{"paid":2\}$/m);
  });

  it('can be paused and resumed', async () => {
    const id = await start('order', '--input', '{"amount":1}');
    await gate.arrived();
    expect(await cli('pause', id, '--reason', 'lunch')).toMatchObject({ code: 0, out: `${id} paused\n` });
    expect(await cli('pause', id)).toMatchObject({ code: 1, out: '' });
    expect((await statusOf(id)).status).toBe('PAUSED');
    expect(await cli('resume', id)).toMatchObject({ code: 0, out: `${id} resumed\n` });
    gate.open();
    expect((await cli('watch', id)).code).toBe(0);
  });

  it('can be watched on from where a connection broke, each event once', async () => {
    const { port, cut, close } = await proxyTo(baton.url ?? '');
    try {
      const id = await start('order', '--input', '{"amount":1}');
      await gate.arrived();
      const seen = { out: '' };
      const watched = run(
        {
          env,
          stdin: Readable.from([]),
          out: (text) => {
            seen.out += text;
          },
          err: () => {},
          progress: undefined,
          colour: false,
        },
        ['workflows', 'watch', id, '--json', '--url', `http://127.0.0.1:${port}`],
      );
      await expect.poll(() => seen.out, { timeout: 20_000 }).toContain('"unit":"ship"');
      expect(cut()).toBeGreaterThan(0);
      gate.open();
      expect(await watched).toBe(0);
      const positions = seen.out
        .trimEnd()
        .split('\n')
        .map((line) => BigInt((JSON.parse(line) as { position: string }).position));
      const timeline = await json<{ events: unknown[] }>('replay', id);
      expect(positions).toHaveLength(timeline.events.length);
      expect(positions).toEqual([...new Set(positions)].sort((a, b) => (a < b ? -1 : 1)));
    } finally {
      close();
    }
  });

  it('goes on from a failure, with another input, or from an earlier revision as another execution', async () => {
    await json(
      'publish',
      await write(
        'once.yaml',
        ORDER.replace('name: order', 'name: once')
          .replace(/ {4}compensation.*\n/g, '')
          .replace('    dependsOn: [pay]\n', '    dependsOn: [pay]\n    input: { fail: true }\n'),
      ),
    );
    const id = await start('once', '--input', '{"amount":4}');
    await gate.arrived();
    gate.open();
    expect((await cli('watch', id)).code).toBe(1);
    expect((await statusOf(id)).status).toBe('FAILED');
    expect(await statusText(id)).toMatch(/^ship +failed .*REFUSED: not today$/m);
    expect(await cli('retry', id, '--input', '{}')).toMatchObject({ code: 2 });
    expect(await cli('retry', id, '--step', 'pay')).toMatchObject({ code: 1, out: '' });
    expect(await cli('retry', id, '--step', 'ship', '--input', '{"fail":false}')).toMatchObject({ code: 0 });
    await gate.arrived();
    gate.open();
    expect((await cli('watch', id)).code).toBe(0);
    const { events } = await json<{ events: { revision: string; type: string; unit: string }[] }>('replay', id);
    const paid = events.find(({ type, unit }) => type === 'TaskCompleted' && unit === 'pay')?.revision ?? '';
    const then = await cli('replay', id, '--until', paid);
    expect(then.out).toMatch(/^state after revision \d+$/m);
    expect(then.out).toMatch(/^ship +(open|pending)/m);
    const fork = (await cli('fork', id, '--revision', paid, '--rerun', 'pay', '--input', '{"amount":9}')).out.trim();
    await gate.arrived();
    expect(await statesOf(fork)).toBe('reserve completed, pay completed, ship open');
    expect(await statusText(fork)).toMatch(/^reserve +completed .*taken over$/m);
    gate.open();
    expect((await cli('watch', fork)).code).toBe(1); // the definition's input still says to fail
    expect(await cli('skip', fork, 'ship', '--reason', 'by hand')).toMatchObject({ code: 0 });
    expect((await cli('watch', fork)).code).toBe(0);
    expect(await statusOf(fork)).toMatchObject({ output: { paid: 9 }, forkedFrom: { id } });
  });

  it('is compensated, and a compensation that fails waits for a person', async () => {
    const id = await start('order', '--input', '{"amount":5}');
    await gate.arrived();
    const preview = await json<{ undos: { unit: string; after: string[] }[] }>(...(await fresh('preview', id)));
    expect(preview.undos).toEqual([
      { unit: 'pay', after: [] },
      { unit: 'reserve', after: ['pay'] },
    ]);
    expect((await cli(...(await fresh('preview', id)), '--strategy', 'forward')).out).toMatch(/^1 +reserve$/m);
    expect(await cli('cancel', id, '--strategy', 'forward')).toMatchObject({ code: 2 });
    expect(await cli('cancel', id, '--compensate', '--reason', 'ordered twice')).toMatchObject({ code: 0 });
    gate.open();
    expect((await cli('watch', id)).code).toBe(1);
    const text = await statusText(id);
    expect(text).toMatch(/^status +compensation_failed$/m);
    expect(text).toMatch(/^pay +parked .*BANK_CLOSED: the bank is closed$/m);
    const { position } = await json<{ position: string }>('debts', 'hand-over', id, 'pay', '--to', 'accounting');
    const debts = await json<{ items: object[] }>('debts', '--execution', id, '--at-least', position);
    expect(debts.items).toMatchObject([{ unit: 'pay', status: 'HANDED_OVER', handedOverTo: 'accounting' }]);
    expect((await cli('debts', 'skip', id, 'reserve', '--reason', 'x')).code).toBe(1);
    refunds = true;
    expect(await cli('debts', 'retry', id, 'pay')).toMatchObject({ code: 0 });
    await expect.poll(async () => (await statusOf(id)).status, { timeout: 20_000 }).toBe('COMPENSATED');
    expect((await cli(...(await fresh('graph', id)))).out).toMatch(/u1\(.*completed"\):::completed/);
    expect((await cli('replay', id)).code).toBe(0);
  });

  it('receives the event that it waits for', async () => {
    const tasks = [
      { id: 'paid', waitFor: { kind: 'event', name: 'payment' } },
      { id: 'approve', waitFor: { kind: 'decision', name: 'approval', options: ['yes', 'no'] }, dependsOn: ['paid'] },
    ];
    await json('publish', await write('waits.json', JSON.stringify({ name: 'waits', version: '1.0.0', tasks })));
    const id = await start('waits');
    expect((await cli(...(await fresh('why', id)))).out).toMatch(
      /^paid +event +waits for the event payment from outside$/m,
    );
    const misspelt = await cli('signal', id, 'paymnet');
    expect(misspelt).toMatchObject({ code: 1, err: expect.stringContaining('did you mean payment?') });
    expect(await cli('signal', id, 'payment', '--payload', '{"amount":7}')).toMatchObject({ code: 0 });
    expect((await cli(...(await fresh('why', id)))).out).toMatch(/^approve +decision .*\(yes, no\)$/m);
    expect(await cli('decide', id, 'approve', 'perhaps')).toMatchObject({ code: 1, out: '' });
    expect(await cli('decide', id, 'approve', 'yes', '--comment', 'fine')).toMatchObject({ code: 0 });
    expect(await statusOf(id)).toMatchObject({ status: 'COMPLETED', output: { approve: { option: 'yes' } } });
    const decided = /^approve .*yes by anonymous \(fine\)$/m;
    expect((await cli(...(await fresh('status', id)))).out).toMatch(decided);
    expect((await cli('replay', id)).out).toMatch(/approve decided: yes by anonymous \(fine\)/);
    const { steps } = await json<{ steps: unknown[] }>(...(await fresh('status', id)));
    expect(steps).toMatchObject([
      { id: 'paid', output: { amount: 7 }, outputBytes: 12, decision: null },
      { id: 'approve', decision: { option: 'yes', by: 'anonymous', comment: 'fine' } },
    ]);
  });

  it('is moved to another version, or the reason is reported', async () => {
    const next = ORDER.replace('name: order', 'name: moves');
    await json('publish', await write('moves.yaml', next));
    const ids = [await start('moves', '--input', '{"amount":1}'), await start('moves', '--input', '{"amount":2}')];
    await gate.arrived(2);
    const renamed = next.replace('version: 1.0.0', 'version: 1.1.0').replaceAll('ship', 'send');
    await json('publish', await write('moves-2.yaml', renamed));
    const dry = await cli(
      'migrate',
      'moves',
      '--from',
      '1.0.0',
      '--to',
      '1.1.0',
      '--dry-run',
      ...(await fresh('', ids[1] ?? '')).slice(2),
    );
    expect(dry.code).toBe(1);
    expect(dry.out).toMatch(/^\S+ +cannot move +ship is open and has no place in the new version/m);
    expect(dry.out).toMatch(/^0 would move, 2 cannot move; nothing was changed$/m);
    const moved = await cli(
      'migrate',
      'moves',
      '--to',
      '1.1.0',
      '--map',
      'ship=send',
      ...(await fresh('', ids[1] ?? '')).slice(2),
    );
    expect(moved).toMatchObject({ code: 0 });
    expect(moved.out).toMatch(/^2 moved, 0 cannot move$/m);
    gate.open();
    for (const id of ids) {
      expect((await cli('watch', id)).code).toBe(0);
      expect(await statesOf(id)).toBe('reserve completed, pay completed, send completed');
      expect((await cli('replay', id)).code).toBe(0);
    }
  });
});

/** A connection that can be cut. */
const proxyTo = async (url: string): Promise<{ port: number; cut: () => number; close: () => void }> => {
  const open = new Set<Socket>();
  const server: Server = createServer((client) => {
    const upstream = connectTcp(Number(new URL(url).port), '127.0.0.1');
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => open.delete(socket));
    }
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const destroy = (): number => {
    const count = open.size;
    for (const socket of open) socket.destroy();
    return count;
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut: destroy,
    close: () => {
      destroy();
      server.close();
    },
  };
};

describe('what is wrong', () => {
  const NOBODY = '0190b5a4-5b9e-5cc1-8a52-3c6f6c9f0d11';

  it.each([
    [['publish', '/nowhere.yaml'], 2, 'no such file'],
    [['start', 'nope'], 1, 'workflow nope does not exist'],
    [['start', 'order', '--version', '9.9.9'], 2, 'VERSION_NOT_FOUND'],
    [['start', 'order', '--input', '{'], 2, 'Allowed: JSON'],
    [['start', 'order', '--wait', '--watch'], 2, 'cannot be used with'],
    [['show', 'nope'], 1, 'workflow "nope" does not exist'],
    [['graph', 'nope'], 1, 'no file, execution or workflow is called "nope"'],
    [['graph', '/nowhere.json'], 2, 'no such file'],
    [['status', NOBODY], 1, 'does not exist'],
    [['watch', NOBODY], 1, 'does not exist'],
    [['watch', 'nope'], 1, 'does not exist'],
    [['replay', NOBODY], 1, 'does not exist'],
    [['pause', NOBODY], 1, 'does not exist'],
    [['fork', NOBODY, '--revision', '-1'], 2, 'Allowed: a whole number'],
    [['cancel', NOBODY, '--compensate', '--strategy', 'sideways'], 2, 'Allowed choices'],
    [['skip', NOBODY, 'a'], 2, "'--reason <text>' not specified"],
    [['migrate', 'nope', '--to', '1.0.0'], 1, 'workflow nope does not exist'],
    [['debts', 'retry', NOBODY, 'a b'], 2, 'must be the id of a task'],
    [['import', '--from', 'wfformat', '/nowhere.json'], 2, 'no such file'],
    [['import', '/nowhere.json'], 2, "'--from <format>' not specified"],
    [['simulate', '/nowhere.json'], 2, 'no such file'],
    [['list', '--url', 'http://127.0.0.1:1'], 3, 'nothing listens there'],
    [['watch', NOBODY, '--url', 'http://127.0.0.1:1'], 3, 'nothing listens there'],
  ] as const)('is told in a line, without a stack: %s', async (args, code, message) => {
    const ended = await cli(...args);
    expect(ended.code, ended.err).toBe(code);
    expect(ended.out).toBe('');
    expect(ended.err).toContain(message);
    expect(ended.err).not.toMatch(/^\s+at /m);
  });

  it('is reported with every issue of a definition, with and without a server', async () => {
    const file = await write(
      'bad.json',
      '{"name":"bad","version":"1.0.0","tasks":[{"id":"a","capability":"x","dependsOn":["b"]},{"id":"c"}]}',
    );
    const published = await cli('publish', file);
    expect(published.code).toBe(2);
    expect(published.err).toContain('/definition/tasks/0/dependsOn/0: ');
    expect(published.err).toContain('(ONE_THING_ONLY)');
    const checked = await runHere(['workflows', 'validate', file, '--json'], {});
    expect(checked.code).toBe(1);
    expect(JSON.parse(checked.out)).toMatchObject({
      valid: false,
      issues: [{ pointer: '/tasks/0/dependsOn/0', code: 'UNKNOWN_DEPENDENCY' }, { code: 'ONE_THING_ONLY' }],
    });
  });

  it('is visible in a replay without a reachable server', async () => {
    const id = await start('waits');
    const { code, out } = await runHere(['workflows', 'replay', id, '--url', 'http://127.0.0.1:1'], env);
    expect(code).toBe(0);
    expect(out).toMatch(/^the replayed state was not compared with a server: .*nothing listens there/m);
    const beyond = await cli('replay', id, '--until', '999');
    expect(beyond).toMatchObject({ code: 2, out: '' });
  });

  it('does not prevent the schema, an import and a graph from being printed without a server', async () => {
    const instance = {
      name: 'by hand',
      schemaVersion: '1.5',
      workflow: { specification: { tasks: [{ id: 'a', name: 'a', parents: [], children: [] }] } },
    };
    const file = await write('run.json', JSON.stringify(instance));
    const out = join(folder, 'imported.json');
    const imported = await runCli(['workflows', 'import', '--from', 'wfformat', file, '--out', out], {});
    expect(imported).toMatchObject({ code: 0, err: '' });
    expect(imported.out).toContain('by-hand@1.0.0: 1 task, 0 dependencies, 0 ids changed');
    expect(JSON.parse(await readFile(out, 'utf8'))).toMatchObject({ tasks: [{ id: 'a', capability: 'simulate' }] });
    const schema = await runCli(['workflows', 'schema'], {});
    expect(JSON.parse(schema.out)).toMatchObject({ type: 'object', required: ['name', 'version', 'tasks'] });
  });
});
