import { numberOf } from '../../../wording/sentences.ts';
import { duration, facts } from '../../format.ts';
import type { Comparison } from './compare.ts';
import { ASSUMED_MS } from './model.ts';

const SHOWN_VIOLATIONS = 20;

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const ms = (value: number): string => `${Number(value.toFixed(2))} ms`;

const orderText = ({ dependenciesChecked, violations }: Comparison): string =>
  violations.length === 0
    ? `${dependenciesChecked} dependencies completed before their dependents were submitted; each task ran once`
    : `VIOLATED ${numberOf(violations.length, 'time')}`;

/** The comparison as text. Times "here" were measured; those "at 1×" are multiplied by the speedup. */
export const comparisonText = (comparison: Comparison): string => {
  const { overhead, timers, violations, speedup, recordedMakespanMs } = comparison;
  const shown = violations.slice(0, SHOWN_VIOLATIONS).map(({ task, problem }) => `VIOLATION  ${task}: ${problem}\n`);
  return `${facts([
    ['workflow', comparison.workflow],
    ['status', comparison.status],
    [
      'graph',
      [
        numberOf(comparison.tasks, 'task'),
        numberOf(comparison.edges, 'dependency', 'dependencies'),
        numberOf(comparison.levels, 'level'),
      ].join(', '),
    ],
    ['agents', `one local agent that takes ${numberOf(comparison.agents, 'call')} at a time`],
    [
      'assumed',
      comparison.assumedRuntimes === 0
        ? undefined
        : `${numberOf(comparison.assumedRuntimes, 'task')} without an estimate: ${duration(ASSUMED_MS)} each`,
    ],
    ['makespan', `${ms(comparison.makespanMs)} here, ${duration(comparison.scaledMakespanMs)} at 1×`],
    ['recorded', recordedMakespanMs === null ? undefined : `${duration(recordedMakespanMs)} by the system that ran it`],
    ['critical path', `${duration(comparison.recordedCriticalPathMs)} at 1×`],
    ['work / agents', `${duration(comparison.recordedWorkPerAgentMs)} at 1×`],
    ['bound', `${ms(comparison.boundMs)} here, with the durations that the calls really had`],
    [
      'overhead',
      `${ms(overhead.ms)} beyond the bound: ${percent(overhead.share)} of the makespan, ${ms(overhead.perTaskMs)} per task, ${ms(overhead.perStepMs)} per step of the critical path`,
    ],
    ['no agent busy', ms(comparison.idleMs)],
    [
      'timers',
      `asked for ${ms(timers.askedMs)} in all, took ${ms(timers.tookMs)}; late by ${ms(timers.lateP50Ms)} (p50), ${ms(timers.lateP99Ms)} (p99); the bound grew by ${ms(timers.boundGrewMs)}, ${duration(timers.boundGrewMs * speedup)} at 1×`,
    ],
    ['order', orderText(comparison)],
  ])}${shown.join('')}`;
};
