import { join } from 'node:path';
import type { Audit } from '../../cli/audit.ts';
import { duration, facts, table } from '../../cli/format.ts';
import { SOURCE } from '../carbon/factors.ts';
import type { Progress, Work } from './history.ts';
import type { Run } from './record.ts';
import { tonnesText } from './report.ts';
import { STEPS, WORKERS } from './steps.ts';

/** The result of a run for scripts (`--json`). */
export type Summary = {
  readonly executionId: string;
  readonly status: string;
  /** Both in the order of the log. */
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
    compensated: history.compensated.map(({ step }) => step),
    auditVerified: audit.defects.length === 0,
    ...(history.status === 'completed' && typeof file === 'string' ? { reportFile: join(options.out, file) } : {}),
  };
};

/** When the first step fails there is nothing to compensate, so the execution ends as failed. */
const expectedOf = ({ failAt }: Run['options']): Pick<Summary, 'status' | 'completed' | 'compensated'> => {
  if (failAt === undefined) return { status: 'completed', completed: STEPS, compensated: [] };
  const completed = STEPS.slice(0, STEPS.indexOf(failAt));
  return { status: completed.length === 0 ? 'failed' : 'compensated', completed, compensated: completed.toReversed() };
};

const same = (one: readonly string[], other: readonly string[]): boolean => one.join() === other.join();

/** Whether the run went as its options demand. */
export const isAsExpected = ({ options }: Run, summary: Summary): boolean => {
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
export const progressText = (progress: Progress): string => {
  switch (progress.kind) {
    case 'done':
    case 'compensated': {
      const { step, agentId, durationMs } = progress.work;
      return `  ${step.padEnd(PAD)}  ${progress.kind} by ${agentId} in ${duration(durationMs)}`;
    }
    case 'tried':
      return `  ${progress.step.padEnd(PAD)}  ${progress.error.code}${progress.again ? ', retrying' : ''}`;
    case 'failed':
      return `  ${progress.step.padEnd(PAD)}  failed permanently: ${progress.error?.message ?? 'the reason is unknown'}`;
    case 'stuck':
      return `  ${progress.step.padEnd(PAD)}  could not be compensated: ${progress.error.message}`;
    case 'ended':
      return `  ${progress.status}`;
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

/** The booking, and whether it was reversed. */
const ledgerText = ({ options, history }: Run): string | undefined => {
  const { booking } = resultOf(history.done, 'calculate');
  if (typeof booking !== 'string') return undefined;
  const reversed = resultOf(history.compensated, 'calculate')['reversed'] === booking;
  return `${join(options.out, 'ledger.jsonl')}: booking ${booking}${reversed ? ', and its reversal' : ''}`;
};

const failureText = ({ history }: Run): string | undefined => {
  const { failure } = history;
  if (failure === undefined) return undefined;
  const by = Object.entries(WORKERS).find(([step]) => step === failure.step)?.[1].agentId;
  return `${failure.step}${by === undefined ? '' : ` by ${by}`}: ${failure.error?.message ?? 'the reason is unknown'}`;
};

/** The result of a run for people. */
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
  const stuck = history.stuck.map((progress) => `${progressText(progress).trim()}\n`).join('');
  const done = history.done.length === 0 ? '' : `\n${workTable(history.done)}`;
  const compensated =
    history.compensated.length === 0 ? '' : `\ncompensated, in this order:\n${workTable(history.compensated)}`;
  return `${figures}${stuck}${done}${compensated}`;
};
