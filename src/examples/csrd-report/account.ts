import { join } from 'node:path';
import type { Audit } from '../../cli/audit.ts';
import { duration, facts, table } from '../../cli/format.ts';
import { SOURCE } from '../carbon/factors.ts';
import type { Happening, Work } from './history.ts';
import { tonnesText } from './report.ts';
import type { Run } from './run.ts';
import { STEPS, WORKERS } from './steps.ts';

/** What a script gets of a run. */
export type Summary = {
  readonly executionId: string;
  readonly status: string;
  /** In the order in which the log has it, both. */
  readonly completed: readonly string[];
  readonly compensated: readonly string[];
  readonly auditVerified: boolean;
  /** Only when the report was published. */
  readonly reportFile?: string;
};

const resultOf = (works: readonly Work[], step: string): Readonly<Record<string, unknown>> =>
  (works.find((work) => work.step === step)?.result ?? {}) as Readonly<Record<string, unknown>>;

export const summarise = ({ executionId, options, history, audit }: Run): Summary => {
  const { file } = resultOf(history.done, 'publish');
  return {
    executionId,
    status: history.status,
    completed: history.done.map(({ step }) => step),
    compensated: history.undone.map(({ step }) => step),
    auditVerified: audit.defects.length === 0,
    ...(history.status === 'completed' && typeof file === 'string' ? { reportFile: join(options.out, file) } : {}),
  };
};

/** When the first step fails there is nothing to undo: the execution has failed, and that is all. */
const expectedOf = ({ failAt }: Run['options']): Pick<Summary, 'status' | 'completed' | 'compensated'> => {
  if (failAt === undefined) return { status: 'completed', completed: STEPS, compensated: [] };
  const completed = STEPS.slice(0, STEPS.indexOf(failAt));
  return { status: completed.length === 0 ? 'failed' : 'compensated', completed, compensated: completed.toReversed() };
};

const same = (one: readonly string[], other: readonly string[]): boolean => one.join() === other.join();

/** Whether what happened is what was asked for. */
export const isAsAsked = ({ options }: Run, summary: Summary): boolean => {
  const expected = expectedOf(options);
  return (
    summary.auditVerified &&
    summary.status === expected.status &&
    same(summary.completed, expected.completed) &&
    same(summary.compensated, expected.compensated)
  );
};

const PAD = Math.max(...STEPS.map(({ length }) => length));

/** A line of progress. */
export const happeningText = (happening: Happening): string => {
  switch (happening.kind) {
    case 'done':
    case 'undone': {
      const { step, agentId, durationMs } = happening.work;
      return `  ${step.padEnd(PAD)}  ${happening.kind} by ${agentId} in ${duration(durationMs)}`;
    }
    case 'tried':
      return `  ${happening.step.padEnd(PAD)}  ${happening.error.code}${happening.again ? ', to be tried again' : ''}`;
    case 'failed':
      return `  ${happening.step.padEnd(PAD)}  failed for good: ${happening.error?.message ?? 'no reason is known'}`;
    case 'stuck':
      return `  ${happening.step.padEnd(PAD)}  could not be undone: ${happening.error.message}`;
    case 'ended':
      return `  ${happening.status}`;
  }
};

const auditText = ({ events, streams, defects }: Audit): string => {
  const read = `${events} events in ${streams} streams read back from the log`;
  const [defect] = defects;
  return defect === undefined
    ? `${read}: every hash chain holds`
    : `${read}: NOT VERIFIED, ${defect.stream} is broken at revision ${defect.revision}: ${defect.problem}`;
};

const workTable = (works: readonly Work[]): string =>
  table(
    [{ title: 'STEP' }, { title: 'AGENT' }, { title: 'CAPABILITY' }, { title: 'TOOK', align: 'right' }],
    works.map(({ step, agentId, capability, durationMs }) => [step, agentId, capability, duration(durationMs)]),
  );

const totalText = ({ options, history }: Run): string | undefined => {
  const { total } = resultOf(history.done, 'calculate');
  return typeof total === 'number'
    ? `${tonnesText(total)} of ${options.suppliers} suppliers (seed ${options.seed}); factors: ${SOURCE}`
    : undefined;
};

/** The booking, and what became of it. */
const ledgerText = ({ options, history }: Run): string | undefined => {
  const { booking } = resultOf(history.done, 'calculate');
  if (typeof booking !== 'string') return undefined;
  const reversed = resultOf(history.undone, 'calculate')['reversed'] === booking;
  return `${join(options.out, 'ledger.jsonl')}: booking ${booking}${reversed ? ', and its reversal' : ''}`;
};

const failureText = ({ history }: Run): string | undefined => {
  const { failure } = history;
  if (failure === undefined) return undefined;
  const by = Object.entries(WORKERS).find(([step]) => step === failure.step)?.[1].agentId;
  return `${failure.step}${by === undefined ? '' : ` by ${by}`}: ${failure.error?.message ?? 'no reason is known'}`;
};

/** The whole run, for people. */
export const accountText = (run: Run, summary: Summary): string => {
  const { history, audit } = run;
  const figures = facts([
    ['execution', `${summary.executionId}, ${summary.status}`],
    ['failed', failureText(run)],
    ['total', totalText(run)],
    ['ledger', ledgerText(run)],
    ['report', summary.reportFile],
    ['audit', auditText(audit)],
  ]);
  const stuck = history.stuck.map((happening) => `${happeningText(happening).trim()}\n`).join('');
  const done = history.done.length === 0 ? '' : `\n${workTable(history.done)}`;
  const undone = history.undone.length === 0 ? '' : `\nundone, in this order:\n${workTable(history.undone)}`;
  return `${figures}${stuck}${done}${undone}`;
};
