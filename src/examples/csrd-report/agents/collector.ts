import { z } from 'zod';
import type { Agent } from '../../agent/agent-server.ts';
import { parseInput, type Skill } from '../../agent/skill.ts';
import { generateSuppliers } from '../../carbon/suppliers.ts';
import type { Activity } from '../data.ts';
import { CompensationInput, ExecutionId, type WorkFolder } from '../work-folder.ts';

const FILE = 'activity.json';

const Input = z.object({
  execution: ExecutionId,
  suppliers: z.int().min(1).max(100_000),
  seed: z.int().min(0).max(4_294_967_295),
});

/** A repeated call writes the same file again, so it is harmless. */
const collect = (folder: WorkFolder): Skill => ({
  id: 'activity-data.collect',
  description: 'Gathers the yearly electricity use of {suppliers} suppliers (generated from {seed}) for {execution}',
  run(input) {
    const { execution, suppliers: count, seed } = parseInput(Input, input);
    const suppliers = generateSuppliers(seed, count);
    const activity: Activity = { suppliers };
    const ref = folder.write(execution, FILE, JSON.stringify(activity, null, 1));
    return { ...ref, suppliers: count, kWh: suppliers.reduce((sum, { kWh }) => sum + kWh, 0) };
  },
});

const discard = (folder: WorkFolder): Skill => ({
  id: 'activity-data.discard',
  description: 'Removes the activity data of {execution}',
  run(input) {
    const { execution } = parseInput(CompensationInput, input);
    return { removed: folder.remove(execution, FILE) };
  },
});

export const collector = (folder: WorkFolder): Agent => ({
  name: 'collector',
  description: 'Gathers activity data of suppliers',
  skills: [collect(folder), discard(folder)],
});
