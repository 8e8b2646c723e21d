import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse, validate } from '../api/graphql/kit/graphql-js.ts';
import { LIMITS } from '../api/graphql/kit/limits.ts';
import { createSchema } from '../api/graphql/schema.ts';
import { run } from './run.ts';
import type { Terminal } from './terminal.ts';

type Asked = { readonly query: string; readonly variables: Record<string, unknown> };

const schema = createSchema();
const asked: Asked[] = [];
let answer: { readonly status: number; readonly type: string; readonly body: string };
let server: Server;
let url: string;

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    asked.push(JSON.parse(body) as Asked);
    response.writeHead(answer.status, { 'content-type': answer.type }).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const answerWith = (body: unknown, status = 200): void => {
  answer = { status, type: 'application/json', body: JSON.stringify(body) };
};

beforeEach(() => {
  asked.length = 0;
  answerWith({ errors: [{ message: 'no', extensions: { code: 'NOT_TODAY' } }] });
});

const cli = async (args: string, stdin = '', env: Record<string, string> = { BATON_URL: url }) => {
  const output = { out: '', err: '' };
  const terminal: Terminal = {
    env,
    stdin: Readable.from([Buffer.from(stdin)]),
    out: (text) => {
      output.out += text;
    },
    err: (text) => {
      output.err += text;
    },
    progress: undefined,
    colour: false,
  };
  return { code: await run(terminal, args.split(' ').filter(Boolean)), ...output };
};

const TASK = '0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11';

describe('a request that a command sends', () => {
  it.each([
    'tasks list --status ready --tag a --tag b --priority 1 --since 2026-07-01T00:00:00Z',
    `tasks list --execution ${TASK} --since 1h --until 5m`,
    `tasks get ${TASK}`,
    `tasks timeline ${TASK}`,
    `tasks why ${TASK}`,
    `tasks watch ${TASK}`,
    `tasks cancel ${TASK} --reason twice`,
    'tasks submit report --input {"month":7} --priority 1 --retry fixed --max-attempts 2 --strategy round_robin --affinity-key k --specialisation s --target a --target b --tag a',
    'tasks submit-many -',
    'agents list --health unhealthy --status deregistered',
    'agents get a',
    'agents register a --card http://127.0.0.1:7001 --capability x@1.0.0 --label k=v --cost-per-call 0.1USD --delivery at_most_once',
    'agents register a --capability x --service-type analysis --tag gpu --location eu/b --agent-version 2.0.0 --weight 2 --cost-factor 0',
    'agents discover --capability x@^1.0.0 --service-type storage --tag gpu --agent-version >=2 --near eu/b --min-health 0 --readiness able_now --limit 3 --pool p',
    'agents update a --max-concurrency 3',
    'agents drain a',
    'agents undrain a --reason back',
    'agents deregister a --reason moved',
    'dlq list --error-code AGENT_TIMEOUT',
    `dlq show ${TASK}`,
    'dlq redrive --all --pool default',
    'projections list',
    'workflows publish -',
    'workflows list --name order --status published --tag a --pattern saga --text x',
    'workflows show order --version 1.0.0',
    'workflows deprecate order 1.0.0 --reason old',
    'workflows archive order 1.0.0',
    'workflows start order --version 1.0.0 --input {"a":1} --tag a --tag b --idempotency-key k',
    `workflows watch ${TASK}`,
    `workflows status ${TASK}`,
    'workflows executions --workflow order --version 1.0.0 --status failed --tag a --since 2026-07-01T00:00:00Z',
    `workflows executions --parent ${TASK} --forked-from ${TASK}`,
    `workflows why ${TASK}`,
    `workflows preview ${TASK} --strategy cascade`,
    `workflows pause ${TASK} --reason x`,
    `workflows resume ${TASK}`,
    `workflows cancel ${TASK} --compensate --strategy backward --reason x`,
    `workflows retry ${TASK} --step a --input {"a":1}`,
    `workflows skip ${TASK} a --reason x`,
    `workflows signal ${TASK} paid --payload {"a":1}`,
    `workflows decide ${TASK} approve approved --comment x`,
    `workflows fork ${TASK} --revision 3 --version 1.0.0 --input {"a":1} --rerun a`,
    'workflows debts --status parked --workflow order --with me --error-code X',
    `workflows debts retry ${TASK} resize[3] --input {"a":1}`,
    `workflows debts skip ${TASK} a --reason x`,
    `workflows debts hand-over ${TASK} a --to accounting --note x`,
    'workflows migrate order --from 1.0.0 --to 1.1.0 --map a=b --map c= --dry-run',
    'workflows graph order --version 1.0.0',
    `workflows graph ${TASK} --format dot`,
  ])('fits the schema and its limits: %s', async (args) => {
    const { code, err } = await cli(args, '{"capability":"report","retry":{"kind":"fixed"}}');
    expect(code, err).toBe(1);
    const [{ query, variables } = { query: '', variables: {} }] = asked;
    expect(validate(schema, parse(query)).map(({ message }) => message)).toEqual([]);
    expect(query.match(/[\w$!:]+|[{}()]/g)?.length).toBeLessThan(LIMITS.tokens);
    expect(JSON.stringify(variables)).not.toContain('undefined');
  });
});

describe('the answer of a server', () => {
  it('that refuses is shown in its own words, with exit code 1', async () => {
    expect(await cli('tasks list')).toEqual({ code: 1, out: '', err: 'error: no\n' });
  });

  it('to a bad input names the field, its limit and the value, with exit code 2', async () => {
    const issues = [{ pointer: '/input/priority', code: 'OUT_OF_RANGE', message: 'at most 5, got 9' }];
    answerWith({ errors: [{ message: 'x', extensions: { code: 'BAD_USER_INPUT', issues } }] }, 400);
    const { code, out, err } = await cli('tasks submit report --json');
    expect({ code, err }).toEqual({ code: 2, err: 'error: /input/priority: at most 5, got 9 (OUT_OF_RANGE)\n' });
    expect(JSON.parse(out)).toEqual({ error: { code: 'BAD_USER_INPUT', message: expect.any(String), issues } });
  });

  it('with a rejection shows the reason as its code, with exit code 1', async () => {
    answerWith({ data: { payload: { reason: 'TaskNotCancellable', message: 'a task that is completed …' } } });
    const { code, out } = await cli(`tasks cancel ${TASK} --json`);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'TaskNotCancellable' } });
  });

  it('of NOT_FOUND exits with 1', async () => {
    answerWith({ data: { task: null } });
    expect(await cli('tasks get nope')).toMatchObject({ code: 1, err: 'error: task "nope" does not exist\n' });
  });

  it('of UNAVAILABLE exits with 3', async () => {
    answerWith({ errors: [{ message: 'a store is away', extensions: { code: 'UNAVAILABLE' } }] }, 503);
    const { code, err } = await cli('agents list');
    expect(code).toBe(3);
    expect(err).toContain('baton doctor');
  });

  it('that has no room says when to try again, and exits with 3', async () => {
    const extensions = { code: 'POOL_FULL', retryable: true, retryAfter: 7 };
    answerWith({ errors: [{ message: '50000 tasks wait in pool default', extensions }] }, 503);
    const { code, err } = await cli('tasks submit report');
    expect({ code, err }).toEqual({ code: 3, err: 'error: 50000 tasks wait in pool default\ntry again in 7 s\n' });
  });

  it('counts as unreachable when it comes from another kind of server', async () => {
    answer = { status: 404, type: 'text/html', body: '<html>not found</html>' };
    const { code, err } = await cli('tasks list');
    expect(code).toBe(3);
    expect(err).toContain('is not a Baton server (HTTP 404, text/html)');
  });

  it('with a list says how much more there is', async () => {
    const node = {
      id: TASK,
      status: 'COMPLETED',
      capability: 'report',
      priority: 3,
      attempt: 1,
      agentId: 'a',
      tags: [],
    };
    const times = { submittedAt: '2026-07-01T00:00:00.000Z', endedAt: '2026-07-01T00:00:01.500Z' };
    const pageInfo = { hasNextPage: true, endCursor: 'next' };
    answerWith({ data: { page: { nodes: [{ ...node, ...times }], pageInfo, totalCount: 7 } } });
    const { out } = await cli('tasks list --limit 1');
    expect(out).toContain(`${TASK}  completed  report         3        1  a      2026-07-01T00:00:00.000Z  1.5 s\n`);
    expect(out).toContain('1 of 7 tasks; for the next ones: --after next\n');
    const { out: json } = await cli('tasks list --limit 1 --json');
    expect(JSON.parse(json)).toMatchObject({ totalCount: 7, next: 'next', items: [{ id: TASK }] });
  });

  it('cannot steer the terminal', async () => {
    const error = { code: 'AGENT_FAILED', message: '\u001b[2Jcleared\nsecond line', source: 'agent' };
    const letter = {
      taskId: TASK,
      capability: 'report',
      reason: 'not_retryable',
      attempts: 1,
      error,
      deadLetteredAt: 'now',
    };
    answerWith({
      data: { page: { nodes: [letter], pageInfo: { hasNextPage: false, endCursor: null }, totalCount: 1 } },
    });
    const { out } = await cli('dlq list');
    expect(out).toContain('AGENT_FAILED: cleared second line\n');
  });

  it('reports each refused task of a file, and exits with 1', async () => {
    const accepted = { taskId: TASK, position: '1', repeated: false };
    const error = { code: 'DeadlinePassed', message: 'the deadline has passed', issues: [] };
    const items = [
      { accepted, error: null },
      { accepted: null, error },
    ];
    answerWith({ data: { submitTasks: { items } } });
    const { code, out, err } = await cli('tasks submit-many - --json', '{"capability":"a"}\n{"capability":"b"}');
    expect({ code, err }).toEqual({ code: 1, err: 'stdin:2: the deadline has passed\n' });
    expect(JSON.parse(out)).toMatchObject({
      submitted: 1,
      failed: 1,
      items: [{ place: 'stdin:1' }, { place: 'stdin:2' }],
    });
  });
});

describe('incorrect usage', () => {
  it.each([
    ['tasks list --nope', "unknown option '--nope'"],
    ['nope', "unknown command 'nope'"],
    ['tasks nope', "unknown command 'nope'"],
    ['tasks list --limit=ten', "option '--limit <n>' argument 'ten' is invalid"],
    ['tasks list --limit', "option '--limit <n>' argument missing"],
    ['tasks list --since=yesterday', 'RFC 3339'],
    ['tasks list --pool a --pool b', "option '--pool <name>' is given twice"],
    ['tasks get', "missing required argument 'id'"],
    ['tasks get a b', 'too many arguments'],
    ['tasks submit x --input {"a":1} --input-file y', 'cannot be used with'],
    ['tasks submit-many /no/such/file', 'no such file'],
    ['agents update a', 'nothing to change'],
    ['demo --suppliers 0', 'from 1 to 100000'],
    ['demo --suppliers many', 'from 1 to 100000'],
    ['demo --seed -1', 'from 0 to 4294967295'],
    ['demo --suppliers 5 --suppliers 6', 'given twice'],
    ['projections rebuild', 'name projections, or --all'],
    ['tasks get a --at-least soon', 'a log position'],
    ['dlq redrive', 'name tasks, or --all'],
    [`dlq redrive ${TASK} --pool default`, 'filters go with --all'],
    ['agents list --url localhost:4000', 'http:// or https://'],
    ['audit verify --to head', 'a log position'],
    ['audit recompute', 'name a task, or --all'],
    [`audit recompute ${TASK} --all`, 'name a task, or --all'],
    ['audit recompute 17', 'not a task id'],
  ])('%s', async (args, message) => {
    const { code, out, err } = await cli(args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
    expect(err).not.toMatch(/^\s+at /m);
    expect(asked).toEqual([]);
  });

  it('prints one line and the usage of that command', async () => {
    const { err } = await cli('tasks list --nope');
    expect(err).toBe("error: unknown option '--nope'\nusage: baton tasks list [options]\n(see --help)\n");
  });

  it('names every bad setting at once', async () => {
    const { code, err } = await cli('tasks list', '', { BATON_PORT: '70000', BATON_LEASE_MS: '-1' });
    expect(code).toBe(2);
    expect(err).toContain('BATON_PORT="70000"');
    expect(err).toContain('BATON_LEASE_MS="-1"');
    expect(await cli('tasks list', '', { BATON_URL: 'nowhere' })).toMatchObject({ code: 2 });
  });

  it('names the flag that a bad setting came from', async () => {
    const { code, err } = await cli('serve --port 70000 --roles api,cook', '', {});
    expect(code).toBe(2);
    expect(err).toContain('--port="70000"');
    expect(err).toContain('--roles="api,cook"');
  });
});

describe('help', () => {
  it.each([
    'serve',
    'doctor',
    'agents list',
    'agents register',
    'tasks submit',
    'tasks submit-many',
    'tasks watch',
    'dlq redrive',
    'audit verify',
    'audit replay',
    'audit recompute',
    'projections rebuild',
    'demo',
  ])('has examples: %s', async (command) => {
    const { code, out, err } = await cli(`${command} --help`);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('Examples:\n  $ ');
  });

  it('is shown with exit code 2 when a command is missing', async () => {
    const { code, out, err } = await cli('tasks');
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('Usage: baton tasks');
  });
});

describe('a missing server', () => {
  it('is reported with what to do next, and exit code 3', async () => {
    expect(await cli('tasks list', '', { BATON_URL: 'http://127.0.0.1:1' })).toEqual({
      code: 3,
      out: '',
      err: 'error: no Baton server answers at http://127.0.0.1:1: nothing listens there\nstart one with `npm start`, or name it with --url or BATON_URL\n',
    });
  });

  it('is reported when its stores are not configured', async () => {
    const { code, err } = await cli('audit verify', '', { BATON_DATA_DIR: '/nonexistent' });
    expect(code).toBe(3);
    expect(err).toContain('EVENTSTORE_URL is not set');
  });
});

describe('the help on workflows', () => {
  const WORKFLOWS = [
    ...[
      'validate',
      'schema',
      'import',
      'simulate',
      'publish',
      'list',
      'show',
      'deprecate',
      'archive',
      'start',
      'watch',
    ],
    ...[
      'status',
      'why',
      'preview',
      'executions',
      'pause',
      'resume',
      'cancel',
      'retry',
      'skip',
      'signal',
      'decide',
      'fork',
    ],
    ...['debts list', 'debts retry', 'debts skip', 'debts hand-over', 'migrate', 'replay', 'graph'],
  ];

  it.each(WORKFLOWS)('of workflows %s shows examples of that command', async (command) => {
    const { code, out } = await cli(`workflows ${command} --help`);
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`Examples:\n(  \\$ .*)?baton workflows ${command.replace(' list', '')}`));
  });

  it('names every command of workflows', async () => {
    const { out } = await cli('workflows --help');
    const named = [...out.matchAll(/^ {2}([a-z]+)(?: \[options\])?(?: [<[].*?)? {2,}/gm)].map(([, name]) => name);
    expect(named.toSorted()).toEqual([...new Set(WORKFLOWS.map((name) => name.split(' ')[0]))].toSorted());
  });
});
