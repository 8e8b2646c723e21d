import type { Command } from 'commander';
import { agentDecider } from '../../domain/agent/decider.ts';
import type { AgentEvent } from '../../domain/agent/events.ts';
import { AgentId, agentStream, categoryOf, DEFAULT_TENANT, poolStream, TaskId, taskStream } from '../../domain/ids.ts';
import { taskDecider } from '../../domain/task/decider.ts';
import type { TaskEvent } from '../../domain/task/events.ts';
import { decodeEvent } from '../../eventstore/codec.ts';
import type { EventStore, StoredEvent } from '../../eventstore/event-store.ts';
import { type Audit, auditLog, auditStream } from '../audit.ts';
import { Ended, EXIT, refused, usageFailure } from '../failure.ts';
import { facts, oneLine, table } from '../format.ts';
import { position } from '../parse.ts';
import { examples } from '../program.ts';
import { progressBar } from '../progress.ts';
import { type Recomputations, type RecomputedDecision, recomputeLog } from '../recompute.ts';
import { withEventStore } from '../stores.ts';
import type { Terminal } from '../terminal.ts';

const SHOWN_DEFECTS = 20;

const report = (audit: Audit): string => {
  const shown = audit.defects.slice(0, SHOWN_DEFECTS).map(({ stream, revision, position: at, problem }) => {
    const where = `${stream} at revision ${revision} (position ${at})`;
    return `BROKEN  ${where}: ${problem}\n`;
  });
  const more = audit.defects.length - shown.length;
  return [
    ...shown,
    ...(more > 0 ? [`… and ${more} more streams\n`] : []),
    facts([
      ['streams', String(audit.streams)],
      ['events', String(audit.events)],
      ['position', audit.position === undefined ? undefined : String(audit.position)],
      ['digest', audit.digest],
      ['not Baton’s', audit.foreignEvents === 0 ? undefined : `${audit.foreignEvents} events`],
      ['verified', audit.defects.length === 0 ? 'yes' : 'NO'],
    ]),
  ].join('');
};

const bigintAsText = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);

const verify = async (terminal: Terminal, options: { stream?: string; to?: bigint; json?: boolean }): Promise<void> => {
  const audit = await withEventStore(terminal, async (store) => {
    if (options.stream !== undefined) return auditStream(store, options.stream);
    const head = await store.head();
    const bar = progressBar(terminal, 'reading the log', Number(options.to ?? head ?? 0n));
    try {
      const { to } = options;
      return await auditLog(store, { ...(to === undefined ? {} : { to }), onPosition: (at) => bar.update(Number(at)) });
    } finally {
      bar.stop();
    }
  });
  if (options.stream !== undefined && audit.events === 0)
    throw refused('NOT_FOUND', `stream ${options.stream} has no events`);
  const verified = audit.defects.length === 0;
  terminal.out(options.json === true ? `${JSON.stringify({ verified, ...audit }, bigintAsText)}\n` : report(audit));
  if (!verified) throw new Ended(EXIT.failed);
};

/** Streams that an id may refer to, in the order they are tried; a name with a `.` is a stream name. */
const candidates = (id: string): string[] => {
  if (id.includes('.')) return [id];
  if (TaskId.safeParse(id).success) return [taskStream(DEFAULT_TENANT, id)];
  return [...(AgentId.safeParse(id).success ? [agentStream(DEFAULT_TENANT, id)] : []), poolStream(DEFAULT_TENANT, id)];
};

const readFirst = async (store: EventStore, streams: readonly string[]): Promise<StoredEvent[]> => {
  for (const stream of streams) {
    const events = await store.readStream(stream);
    if (events.length > 0) return events;
  }
  return [];
};

type Step = { readonly event: StoredEvent; readonly state: string };

const taskState = (task: ReturnType<typeof taskDecider.initialState>): string =>
  task.status === 'none' ? 'none' : `${task.status}, attempt ${task.attempt}`;

const agentState = (agent: ReturnType<typeof agentDecider.initialState>): string =>
  agent.status === 'active' || agent.status === 'draining' ? `${agent.status}, ${agent.health}` : agent.status;

/** The state after each event, as the decider folds it; empty when there is no decider or the event is unknown. */
const steps = (events: readonly StoredEvent[]): Step[] => {
  const category = categoryOf(events[0]?.stream ?? '');
  let task = taskDecider.initialState();
  let agent = agentDecider.initialState();
  return events.map((event) => {
    const decoded = decodeEvent(event);
    if (decoded === undefined) return { event, state: '' };
    if (category === 'task') {
      task = taskDecider.evolve(task, decoded as TaskEvent);
      return { event, state: taskState(task) };
    }
    if (category === 'agent') {
      agent = agentDecider.evolve(agent, decoded as AgentEvent);
      return { event, state: agentState(agent) };
    }
    return { event, state: '' };
  });
};

const COLUMNS = [
  { title: 'REVISION', align: 'right' as const },
  { title: 'POSITION', align: 'right' as const },
  { title: 'AT' },
  { title: 'EVENT' },
  { title: 'STATE AFTER' },
  { title: 'ACTOR' },
];

const rowOf = ({ event, state }: Step): string[] => [
  String(event.revision),
  String(event.position),
  event.metadata.at,
  event.type,
  state,
  oneLine(event.metadata.actor, 40),
];

const replay = async (terminal: Terminal, id: string, { json }: { json?: boolean }): Promise<void> => {
  const streams = candidates(id);
  const events = await withEventStore(terminal, (store) => readFirst(store, streams));
  if (events.length === 0) throw refused('NOT_FOUND', `${streams.join(' and ')}: no events`);
  const replayed = steps(events);
  if (json === true) {
    const values = replayed.map(({ event, state }) => ({ ...event, state: state === '' ? null : state }));
    terminal.out(`${JSON.stringify(values, bigintAsText)}\n`);
  } else terminal.out(`${events[0]?.stream}\n${table(COLUMNS, replayed.map(rowOf))}`);
};

const SHOWN_DIFFERENCES = 20;

const shortly = (value: unknown): string => (value === undefined ? 'nothing' : oneLine(JSON.stringify(value), 60));

const decisionText = ({ pool, position: at, assignedAt, assignment, ...recomputed }: RecomputedDecision): string => {
  const { taskId, attempt, agentId, reason } = assignment;
  const policy = `${reason.strategy} version ${reason.strategyVersion}`;
  const what = `task ${taskId}, attempt ${attempt}: ${agentId} by ${policy}, ${assignedAt}, position ${at} in pool ${pool}`;
  switch (recomputed.outcome) {
    case 'same':
      return `same            ${what}\n`;
    case 'not_comparable':
      return `not comparable  ${what}\n  ${recomputed.why}\n`;
    case 'different':
      return `DIFFERENT       ${what}\n${recomputed.differences
        .map(({ field, recorded, computed }) => `  ${field}: recorded ${shortly(recorded)}, now ${shortly(computed)}\n`)
        .join('')}`;
  }
};

const recomputeText = ({ decisions, more, counts, events, position: at, unreadable }: Recomputations): string =>
  [
    ...decisions.map(decisionText),
    ...(more > 0 ? [`… and ${more} more decisions\n`] : []),
    facts([
      ['decisions', String(counts.same + counts.different + counts.not_comparable)],
      ['same', String(counts.same)],
      ['different', String(counts.different)],
      ['not comparable', counts.not_comparable === 0 ? undefined : String(counts.not_comparable)],
      ['events', String(events)],
      ['position', at === undefined ? undefined : String(at)],
      ['unreadable', unreadable === 0 ? undefined : `${unreadable} events of a newer build`],
    ]),
  ].join('');

type RecomputeOptions = { readonly all?: boolean; readonly to?: bigint; readonly json?: boolean };

const recompute = async (terminal: Terminal, taskId: string | undefined, options: RecomputeOptions): Promise<void> => {
  const { all = false, to, json } = options;
  if ((taskId === undefined) !== all) throw usageFailure('name a task, or --all for the decisions of all tasks');
  if (taskId !== undefined && !TaskId.safeParse(taskId).success)
    throw usageFailure(`"${oneLine(taskId, 60)}" is not a task id, which is a UUID`);
  const recomputed = await withEventStore(terminal, async (store) => {
    const head = to ?? (await store.head()) ?? 0n;
    // The log is read twice; one bar for both.
    const bar = progressBar(terminal, 'reading the log', 2 * Number(head));
    let [before, last] = [0, 0];
    const onPosition = (at: bigint): void => {
      if (Number(at) < last) before = Number(head);
      last = Number(at);
      bar.update(before + last);
    };
    try {
      return await recomputeLog(store, {
        to: head,
        wants: ({ assignment }) => all || assignment.taskId === taskId,
        shows: ({ outcome }) => !all || outcome === 'different',
        limit: SHOWN_DIFFERENCES,
        onPosition,
      });
    } finally {
      bar.stop();
    }
  });
  const { counts } = recomputed;
  if (!all && recomputed.decisions.length === 0) throw refused('NOT_FOUND', `task ${taskId} was never assigned`);
  terminal.out(json === true ? `${JSON.stringify(recomputed, bigintAsText)}\n` : recomputeText(recomputed));
  if (counts.different > 0) throw new Ended(EXIT.failed);
};

const addRecompute = (audit: Command, terminal: Terminal): void => {
  audit
    .command('recompute')
    .description('Make decisions again from the log, with the policies that they name, and report what differs.')
    .argument('[taskId]', 'the decisions of this task')
    .option('--all', 'the decisions of all tasks')
    .option('--to <position>', 'decisions up to this position', position)
    .option('--json', 'print exactly one JSON value')
    .addHelpText(
      'after',
      `${examples('baton audit recompute 0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11', 'baton audit recompute --all')}
Each decision is made anew among the agents as the log shows them at the position that the decision had read. Not comparable are
decisions of other versions of a policy, and those recorded before decisions named that position.
Uses EVENTSTORE_URL, else the event store of the running server. Exit code 1 when a decision differs.\n`,
    )
    .action((taskId: string | undefined, options: RecomputeOptions) => recompute(terminal, taskId, options));
};

export const addAudit = (program: Command, terminal: Terminal): void => {
  const audit = program.command('audit').description('Verify and read the log itself, without the server.');
  audit
    .command('verify')
    .description('Verify the hash chain of every stream: no event altered, missing, added or out of order.')
    .option('--stream <name>', 'one stream only')
    .option('--to <position>', 'verify up to this position, to compare the digest with one recorded there', position)
    .option('--json', 'print exactly one JSON value')
    .addHelpText(
      'after',
      `${examples('baton audit verify', 'baton audit verify --stream pool-default.default', 'baton audit verify --to 184467 --json')}
The digest covers the head of every stream. A broken chain shows an edit. Only a digest that differs from one recorded
elsewhere for the same position shows that the log was truncated or rewritten.
Uses EVENTSTORE_URL, else the event store of the running server. Exit code 1 when a chain is broken.\n`,
    )
    .action((options: { stream?: string; to?: bigint; json?: boolean }) => verify(terminal, options));
  audit
    .command('replay')
    .description('Print the events of a task, an agent or a pool in order, and the state after each.')
    .argument('<id>', 'id of a task or an agent, name of a pool, or a whole stream name')
    .option('--json', 'print exactly one JSON value')
    .addHelpText(
      'after',
      examples('baton audit replay 0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11', 'baton audit replay default --json'),
    )
    .action((id: string, options: { json?: boolean }) => replay(terminal, id, options));
  addRecompute(audit, terminal);
};
