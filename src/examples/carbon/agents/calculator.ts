import { runAgent } from '../../agent/agent-server.ts';
import { carbonCalculate, footprint } from '../skills.ts';

await runAgent({
  name: 'calculator',
  description: 'Turns energy and a factor into tonnes of CO2e',
  skills: [footprint, carbonCalculate],
});
