import { AgentError } from 'baton-agent-sdk';
import { z } from 'zod';
import type { Agent } from '../../agent/agent-server.ts';
import { parseInput, type Skill } from '../../agent/skill.ts';
import { Footprint } from '../data.ts';
import { reportText } from '../report.ts';
import { CompensationInput, ExecutionId, FileRef, type WorkFolder } from '../work-folder.ts';

const FILE = 'report.md';

const Input = z.object({
  execution: ExecutionId,
  seed: z.int(),
  footprint: FileRef,
  total: z.number(),
  booking: z.string(),
  checks: z.int(),
  activitySha256: z.string(),
});

const write = (folder: WorkFolder): Skill => ({
  id: 'report.write',
  description: 'Writes the report of {execution} from its {footprint}, whose sum must equal the booked {total}',
  run(input) {
    const facts = parseInput(Input, input);
    const footprint = parseInput(Footprint, JSON.parse(folder.read(facts.footprint)));
    if (footprint.tonnesCO2e !== facts.total)
      throw new AgentError(
        'TOTALS_DIFFER',
        `the booked total is ${facts.total} t, but the figures add up to ${footprint.tonnesCO2e} t`,
      );
    const text = reportText(footprint, { ...facts, footprintSha256: facts.footprint.sha256 });
    return folder.write(facts.execution, FILE, text);
  },
});

const discard = (folder: WorkFolder): Skill => ({
  id: 'report.discard',
  description: 'Removes the report of {execution}',
  run(input) {
    const { execution } = parseInput(CompensationInput, input);
    return { removed: folder.remove(execution, FILE) };
  },
});

export const writer = (folder: WorkFolder): Agent => ({
  name: 'writer',
  description: 'Writes reports from booked figures',
  skills: [write(folder), discard(folder)],
});
