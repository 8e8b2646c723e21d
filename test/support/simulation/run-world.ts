import { checkWork, type Finding, judge } from './judge.ts';
import type { Trouble } from './plan.ts';
import { takeWork } from './work-count.ts';
import { World } from './world.ts';

/** What became of one world. */
export type Outcome = {
  readonly findings: readonly Finding[];
  readonly events: number;
  readonly calls: number;
  readonly troubles: readonly string[];
  /** Type and stream of each event, in order: two runs of a seed have the same. */
  readonly trace: readonly string[];
};

/** Runs the world of a seed to its end and judges it. A broken build may end it with an error; that is a finding as well. */
export const runWorld = async (seed: number, troubles?: readonly Trouble[]): Promise<Outcome> => {
  const world = new World(seed, troubles);
  takeWork();
  const failed: Finding[] = [];
  try {
    await world.run();
  } catch (error) {
    failed.push({ rule: 'error', message: String(error) });
  }
  return {
    findings: [...failed, ...judge(world), ...checkWork(takeWork())],
    events: world.log.events.length,
    calls: world.agents.calls.length,
    troubles: [...world.plan.troubles],
    trace: world.log.events.map(({ type, stream, recordedAt }) => `${recordedAt} ${type} ${stream}`),
  };
};
