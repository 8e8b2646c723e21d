import { runAgent } from '../../agent/agent-server.ts';
import { emissionFactorLookup, footprint } from '../skills.ts';

await runAgent({
  name: 'emission-factors',
  description: 'Knows the emission factor of each country’s grid',
  skills: [footprint, emissionFactorLookup],
});
