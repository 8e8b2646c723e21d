import { SOURCE } from '../../examples/carbon/factors.ts';
import type { CarbonAgent } from '../../examples/carbon/spawn-agent.ts';
import { facts, quantile, table } from '../format.ts';
import type { RunFacts } from './run-log.ts';
import type { Times } from './tracker.ts';

export type DemoRun = {
  readonly suppliers: number;
  readonly seed: number;
  readonly killed: { readonly agent: CarbonAgent; readonly afterEnded: number } | undefined;
  readonly times: Times;
  readonly log: RunFacts;
};

export type Summary = {
  readonly suppliers: number;
  readonly completed: number;
  readonly failed: number;
  readonly deadLettered: number;
  readonly agentKilled: boolean;
  readonly duplicateTerminals: number;
  readonly throughputPerS: number;
  readonly submitMs: { readonly p50: number; readonly p99: number };
  readonly endToEndMs: { readonly p50: number; readonly p99: number };
  readonly auditVerified: boolean;
  readonly totalTonnesCO2e: number;
};

const rounded = (value: number, decimals: number): number => Number(value.toFixed(decimals));

const percentiles = (sorted: readonly number[]) => ({
  p50: rounded(quantile(sorted, 0.5) ?? 0, 1),
  p99: rounded(quantile(sorted, 0.99) ?? 0, 1),
});

/** In whole grams, so that the sum does not depend on the order in which the tasks completed. */
const totalTonnes = ({ results }: RunFacts): number =>
  [...results.values()].reduce<number>((grams, result) => {
    const { tonnesCO2e } = result as { tonnesCO2e: number };
    return grams + Math.round(tonnesCO2e * 1e6);
  }, 0) / 1e6;

export const summarise = ({ suppliers, killed, times, log }: DemoRun): Summary => ({
  suppliers,
  completed: log.completed,
  failed: suppliers - log.completed - log.deadLettered,
  deadLettered: log.deadLettered,
  agentKilled: killed !== undefined,
  duplicateTerminals: log.duplicateTerminals,
  throughputPerS: rounded(times.spanMs === 0 ? 0 : (log.completed * 1_000) / times.spanMs, 1),
  submitMs: percentiles(times.submitMs),
  endToEndMs: percentiles(times.endToEndMs),
  auditVerified: log.defects.length === 0 && log.missing.length === 0,
  totalTonnesCO2e: totalTonnes(log),
});

export const isSuccess = ({ suppliers, completed, duplicateTerminals, auditVerified }: Summary): boolean =>
  completed === suppliers && duplicateTerminals === 0 && auditVerified;

const auditLine = ({ log }: DemoRun, { auditVerified, duplicateTerminals }: Summary): string => {
  const read = `${log.events} events in ${log.streams} streams read back from the log`;
  if (auditVerified) return `${read}: every hash chain holds, ${duplicateTerminals} duplicate terminal events`;
  const [defect] = log.defects;
  const problem =
    defect === undefined
      ? `${log.missing.length} streams are missing`
      : `${defect.stream} is broken at revision ${defect.revision}: ${defect.problem}`;
  return `${read}: NOT VERIFIED, ${problem}`;
};

const milliseconds = ({ p50, p99 }: Summary['submitMs']): string => `p50 ${p50} ms, p99 ${p99} ms`;

export const summaryText = (run: DemoRun, summary: Summary): string => {
  const { killed, log } = run;
  const agents = [...log.agents].map(([agentId, { assigned, completed, failed }]) => [
    `${agentId}${killed?.agent.agentId === agentId ? ' (killed)' : ''}`,
    String(assigned),
    String(completed),
    String(failed),
  ]);
  const figures = facts([
    ['tasks', `${summary.suppliers}, one per supplier (seed ${run.seed})`],
    ['completed', String(summary.completed)],
    ['failed', String(summary.failed)],
    ['dead-lettered', String(summary.deadLettered)],
    [
      'killed',
      killed === undefined
        ? 'no agent'
        : `${killed.agent.agentId} by SIGKILL, when ${killed.afterEnded} tasks had ended`,
    ],
    ['retries', String(log.retries)],
    ['throughput', `${summary.throughputPerS} tasks/s`],
    ['submit', milliseconds(summary.submitMs)],
    ['end to end', milliseconds(summary.endToEndMs)],
    ['total', `${summary.totalTonnesCO2e} t CO2e; factors: ${SOURCE}`],
    ['audit', auditLine(run, summary)],
  ]);
  const columns = [
    { title: 'AGENT' },
    { title: 'ASSIGNED', align: 'right' as const },
    { title: 'COMPLETED', align: 'right' as const },
    { title: 'FAILED', align: 'right' as const },
  ];
  return `${figures}\n${table(columns, agents)}`;
};
