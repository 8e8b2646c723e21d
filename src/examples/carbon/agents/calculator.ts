import { runAgent } from '../../agent/agent-server.ts';
import { carbonCalculate, footprint } from '../skills.ts';

await runAgent({
  name: 'calculator',
  description: 'Converts energy and an emission factor into tonnes of CO2e',
  skills: [footprint, carbonCalculate],
});
