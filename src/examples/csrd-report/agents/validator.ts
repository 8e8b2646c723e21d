import { AgentError } from 'baton-agent-sdk';
import { z } from 'zod';
import type { Agent } from '../../agent/agent-server.ts';
import { parseInput, type Skill } from '../../agent/skill.ts';
import { emissionFactor, isPlausibleFactor } from '../../carbon/factors.ts';
import { Activity } from '../data.ts';
import { CompensationInput, ExecutionId, FileRef, type WorkFolder } from '../work-folder.ts';

const FILE = 'validation.json';

const Input = z.object({ execution: ExecutionId, activity: FileRef });

/** An aluminium smelter uses one terawatt hour a year; if a supplier uses more, the unit is wrong. */
const MAX_PLAUSIBLE_KWH = 1e9;

type Supplier = Activity['suppliers'][number];

const repeated = (suppliers: readonly Supplier[]): Supplier[] => {
  const seen = new Set<string>();
  return suppliers.filter(({ supplier }) => {
    const again = seen.has(supplier);
    seen.add(supplier);
    return again;
  });
};

const CHECKS: readonly { readonly check: string; readonly fails: (suppliers: readonly Supplier[]) => Supplier[] }[] = [
  { check: 'each supplier is named', fails: (all) => all.filter(({ supplier }) => supplier.trim() === '') },
  { check: 'no supplier is listed twice', fails: repeated },
  {
    check: 'the energy is plausible',
    fails: (all) => all.filter(({ kWh }) => !(kWh > 0 && kWh <= MAX_PLAUSIBLE_KWH)),
  },
  {
    check: 'the country has an emission factor',
    fails: (all) => all.filter(({ country }) => emissionFactor(country) === undefined),
  },
  {
    check: 'the emission factor is plausible',
    fails: (all) => all.filter(({ country }) => !isPlausibleFactor(emissionFactor(country) ?? 0)),
  },
];

/** Refuses bad data before it writes anything: a failed step is not compensated, so it must leave nothing behind. */
const validate = (folder: WorkFolder): Skill => ({
  id: 'activity-data.validate',
  description: 'Checks the {activity} data of {execution} and writes a record of the checks',
  run(input) {
    const { execution, activity } = parseInput(Input, input);
    const { suppliers } = parseInput(Activity, JSON.parse(folder.read(activity)));
    for (const { check, fails } of CHECKS) {
      const [first, ...others] = fails(suppliers);
      if (first !== undefined)
        throw new AgentError(
          'IMPLAUSIBLE_DATA',
          `check failed: ${check}; ${JSON.stringify(first)}${others.length > 0 ? ` and ${others.length} more` : ''}`,
        );
    }
    const checks = CHECKS.map(({ check }) => ({ check, suppliers: suppliers.length, failed: 0 }));
    const ref = folder.write(execution, FILE, JSON.stringify({ activity, checks }, null, 1));
    return { ...ref, checks: checks.length };
  },
});

const discardRecord = (folder: WorkFolder): Skill => ({
  id: 'validation.void',
  description: 'Removes the record of the checks of {execution}',
  run(input) {
    const { execution } = parseInput(CompensationInput, input);
    return { removed: folder.remove(execution, FILE) };
  },
});

export const validator = (folder: WorkFolder): Agent => ({
  name: 'validator',
  description: 'Checks whether activity data are plausible',
  skills: [validate(folder), discardRecord(folder)],
});
