import type { LedgerEvent } from '../../../src/domain/pool/ledger-snapshot.ts';
import { Recomputation } from '../../../src/domain/pool/recomputation.ts';
import { readEvent } from '../../../src/eventstore/codec.ts';
import type { StoredEvent } from '../../../src/eventstore/event-store.ts';
import { checkInvariants } from '../../../src/invariants/invariants.ts';
import { POOL } from './node.ts';
import type { Trouble } from './plan.ts';
import type { SimCall } from './sim-agents.ts';
import type { Work } from './work-count.ts';
import type { World } from './world.ts';

export type Finding = { readonly rule: string; readonly message: string };

type Data = Readonly<Record<string, unknown>> & { readonly taskId?: string };
const dataOf = (event: StoredEvent): Data => event.data as Data;

/** A pool changes its writer when a process comes or loses its lease: not more often than this without troubles that cost the lease. */
const CALM_ELECTIONS = 4;
const LOSES_LEASES: readonly Trouble[] = [
  'kills',
  'suspensions',
  'Postgres pauses',
  'store pauses',
  'lost messages',
  'late messages',
];
/** Time that a deadline may pass before it is recorded, while the log answers and its leader runs. */
const DEADLINE_SLACK_MS = 1_500;
/** Where many deadlines pass at once, and the log takes its time for each. */
const HERD_SLACK_MS = 90_000;
/** Troubles in which an attempt may be given up although no agent was called: a process had taken it, or nobody could record anything. */
const LOSES_ATTEMPTS: readonly Trouble[] = ['kills', 'suspensions', 'store pauses', 'lost messages', 'late messages'];

const has = ({ plan }: World, troubles: readonly Trouble[]): boolean =>
  troubles.some((trouble) => plan.troubles.has(trouble));

/** Agents that send their heartbeats all the time stay healthy: whoever did not listen, was somebody else. */
const checkHealth = ({ log }: World): Finding[] =>
  log.events
    .filter(({ type, metadata }) => metadata.actor === 'health-monitor' && type !== 'AgentReconfigured')
    .filter(({ type, data }) => type === 'AgentDeregistered' || (data as { to?: string }).to !== 'healthy')
    .map(({ stream, type }) => ({ rule: 'health', message: `${type} in ${stream}, whose agent sends its heartbeats` }));

const checkElections = (world: World): Finding[] => {
  if (has(world, LOSES_LEASES)) return [];
  const elections = world.log.events.filter(({ type }) => type === 'PoolWriterElected').length;
  const allowed = world.plan.nodes + CALM_ELECTIONS;
  return elections > allowed
    ? [{ rule: 'elections', message: `${elections} elections, at most ${allowed} have a reason` }]
    : [];
};

/** Nothing is offered before it is in the log. */
const checkCalls = ({ agents }: World): Finding[] =>
  agents.calls
    .filter(({ wasAssigned }) => !wasAssigned)
    .map(({ agentId, taskId, attempt }) => ({
      rule: 'early call',
      message: `${agentId} was called for attempt ${attempt} of ${taskId} before its assignment was in the log`,
    }));

const keyOf = ({ taskId, attempt }: { readonly taskId?: unknown; readonly attempt?: unknown }): string =>
  `${taskId}/${attempt}`;

/** A deadline passes whoever is to blame, and an attempt that was certainly not sent is made again. */
const countsAgainstTheTask = (error: { readonly code?: string; readonly notSent?: boolean } | undefined): boolean =>
  error?.code !== 'DEADLINE_PASSED' && !error?.notSent;

/** A failed attempt has an agent that was called, or somebody who could not know. */
const checkBlame = (world: World): Finding[] => {
  if (has(world, LOSES_ATTEMPTS)) return [];
  const called = new Set(world.agents.calls.map(keyOf));
  return world.log.events
    .filter(({ type, data }) => type === 'TaskAttemptFailed' && !called.has(keyOf(data as Data)))
    .filter(({ data }) => countsAgainstTheTask((data as { error?: { code?: string; notSent?: boolean } }).error))
    .map((event) => ({
      rule: 'blame',
      message: `attempt ${dataOf(event)['attempt']} of ${dataOf(event).taskId} failed, and no agent was called`,
    }));
};

/** No answer of an agent ends in an error of Baton's own. */
const checkBugs = ({ log }: World): Finding[] =>
  log.events
    .filter(({ data }) => (data as { error?: { code?: string } }).error?.code === 'INTERNAL_ERROR')
    .map((event) => ({ rule: 'bug', message: `${event.type} of ${dataOf(event).taskId} with INTERNAL_ERROR` }));

/** Troubles in which an attempt may be delivered to a second process, or again to the same. */
const DELIVERS_AGAIN: readonly Trouble[] = [...LOSES_ATTEMPTS, 'Redis flushes', 'Redis pauses'];

const checkRepeats = (world: World): Finding[] => {
  if (has(world, DELIVERS_AGAIN)) return [];
  const called = new Set<string>();
  return world.agents.calls
    .filter((call) => called.has(keyOf(call)) || !called.add(keyOf(call)))
    .map((call) => ({
      rule: 'repeat',
      message: `${call.agentId} was called again for attempt ${call.attempt} of ${call.taskId}`,
    }));
};

/** An agent that must not be called twice is not, unless it said itself that it had failed. */
const checkAtMostOnce = ({ agents, plan }: World): Finding[] => {
  const careful = new Set(
    plan.agents.filter(({ delivery }) => delivery === 'at_most_once').map(({ agentId }) => agentId),
  );
  const before = new Map<string, SimCall>();
  const findings: Finding[] = [];
  for (const call of agents.calls) {
    const first = before.get(call.taskId);
    if (first && !first.reportedFailure)
      findings.push({
        rule: 'at most once',
        message: `${first.agentId} may have done ${call.taskId}, and ${call.agentId} was called after it`,
      });
    if (careful.has(call.agentId)) before.set(call.taskId, call);
  }
  return findings;
};

/** Each decision can be made again from the log. When a task that nobody can follow gives its slot back is not in it. */
const checkDecisions = ({ log, unreadable }: World): Finding[] => {
  if (unreadable.size > 0) return [];
  const recomputation = new Recomputation(POOL);
  return log.events
    .flatMap((stored) => {
      const event = readEvent(stored) as LedgerEvent | undefined;
      return event === undefined
        ? []
        : recomputation.take({ event, position: stored.position, recordedAt: stored.recordedAt });
    })
    .filter(({ outcome }) => outcome !== 'same')
    .map(({ position, ...recomputed }) => ({
      rule: 'decision',
      message: `at ${position}: ${JSON.stringify(recomputed)}`,
    }));
};

/** A deadline is kept whatever happens to Redis. */
const checkDeadlines = (world: World): Finding[] => {
  if (has(world, [...LOSES_ATTEMPTS, 'Postgres pauses'])) return [];
  const slackMs = world.plan.troubles.has('herd') ? HERD_SLACK_MS : DEADLINE_SLACK_MS;
  const deadlines = new Map<string, number>();
  const findings: Finding[] = [];
  for (const event of world.log.events) {
    const { taskId, deadlineAt } = dataOf(event);
    if (event.type === 'TaskSubmitted' && deadlineAt !== undefined)
      deadlines.set(String(taskId), Date.parse(String(deadlineAt)));
    const late = Date.parse(event.recordedAt) - (deadlines.get(String(taskId)) ?? Number.POSITIVE_INFINITY);
    if (event.type === 'TaskDeadLettered' && late > slackMs)
      findings.push({ rule: 'deadline', message: `${taskId} ended ${late} ms after its deadline` });
  }
  return findings;
};

/** What a dispatcher gets beyond the time that the agent has. */
const GRACE_MS = 30_000;
/** Clocks are read between two messages. */
const EARLY_SLACK_MS = 100;

/** Nobody is given up before the time is over that it has, whatever the clock of a process shows. */
const checkPatience = ({ log }: World): Finding[] => {
  const submitted = new Map<string, Data>();
  const assignedMs = new Map<string, number>();
  const findings: Finding[] = [];
  for (const event of log.events) {
    const { taskId, assignments = [] } = event.data as Data & { readonly assignments?: readonly { taskId: string }[] };
    const atMs = Date.parse(event.recordedAt);
    if (event.type === 'TaskSubmitted') submitted.set(String(taskId), dataOf(event));
    for (const given of assignments) assignedMs.set(keyOf(given), atMs);
    const { timeoutMs, deadlineAt } = submitted.get(String(taskId)) ?? {};
    const code = (event.data as { error?: { code?: string } }).error?.code;
    const endsMs =
      code === 'DEADLINE_PASSED'
        ? Date.parse(String(deadlineAt))
        : code === 'ATTEMPT_EXPIRED'
          ? Number(assignedMs.get(keyOf(dataOf(event)))) + Number(timeoutMs) + GRACE_MS
          : 0;
    if (atMs < endsMs - EARLY_SLACK_MS)
      findings.push({
        rule: 'patience',
        message: `${event.type} of ${taskId} with ${code}, ${endsMs - atMs} ms early`,
      });
  }
  return findings;
};

/** Troubles in which places are not known, or are those of a process that has just gone. */
const HIDES_PLACES: readonly Trouble[] = ['kills', 'suspensions', 'Redis pauses', 'Redis flushes'];
const ENDS: ReadonlySet<string> = new Set([
  'TaskAttemptFailed',
  'TaskCompleted',
  'TaskFailed',
  'TaskCancelled',
  'TaskDeadLettered',
  'TaskOutcomeUnknown',
]);

/** Agents get no more attempts together than the dispatchers can call at once: what waits, waits where priorities count. */
const checkPlaces = (world: World): Finding[] => {
  if (has(world, HIDES_PLACES)) return [];
  const places = world.plan.nodes * world.plan.dispatchConcurrency;
  const held = new Set<string>();
  const ended = new Set<string>();
  let most = 0;
  for (const { type, data } of world.log.events) {
    const { taskId = '', assignments = [] } = data as Data & { readonly assignments?: readonly { taskId: string }[] };
    if (type === 'TaskRedriven') ended.delete(taskId);
    if (ENDS.has(type)) held.delete(taskId);
    // What is assigned after its task has ended is void.
    if (ENDS.has(type) && type !== 'TaskAttemptFailed') ended.add(taskId);
    // The place of one that nobody can follow any further is given away once it must be over.
    for (const given of assignments)
      if (!ended.has(given.taskId) && !world.unreadable.has(given.taskId)) held.add(given.taskId);
    most = Math.max(most, held.size);
  }
  return most > places
    ? [{ rule: 'places', message: `${most} attempts were assigned at once, and dispatchers can call ${places}` }]
    : [];
};

/** Per question to a pool, and per assignment. Four suffice, and a few more for each kind of work that an agent can do. */
const MOST_LOOKS = 20;

/** A decision costs the same however many requirements wait for an agent that does not exist. */
export const checkWork = ({ asked, assigned, looks }: Work): Finding[] =>
  looks > MOST_LOOKS * (asked + assigned)
    ? [{ rule: 'work', message: `${looks} looks for ${asked} questions and ${assigned} assignments` }]
    : [];

/** Everything that a world may be accused of. Streams that hold an event of a newer build rest, and nothing is expected of them. */
export const judge = (world: World): readonly Finding[] => {
  const { log, calls, agents, unreadable } = world;
  const report = checkInvariants({ log: log.events, calls, journals: agents.calls });
  const findings: Finding[] = report.violations
    .filter(({ invariant }) => invariant !== 'L4')
    // The slot of an attempt that nobody can follow any further is given away once the attempt must be over.
    .filter(({ invariant }) => invariant !== 'S7' || unreadable.size === 0)
    .map(({ invariant, message }) => ({ rule: invariant, message }));
  findings.push(...checkHealth(world), ...checkElections(world), ...checkCalls(world), ...checkBlame(world));
  findings.push(...checkBugs(world), ...checkRepeats(world), ...checkAtMostOnce(world), ...checkDeadlines(world));
  findings.push(...checkPlaces(world), ...checkPatience(world), ...checkDecisions(world));
  return findings.filter(({ message }) => ![...unreadable].some((id) => message.includes(id)));
};
