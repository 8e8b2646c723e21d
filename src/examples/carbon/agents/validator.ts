import { runAgent } from '../../agent/agent-server.ts';
import { footprint, footprintValidate } from '../skills.ts';

await runAgent({
  name: 'validator',
  description: 'Checks the figures of a footprint',
  skills: [footprint, footprintValidate],
});
