import { runAgent } from '../../agent/agent-server.ts';
import { emissionFactorLookup, footprint } from '../skills.ts';

await runAgent({
  name: 'emission-factors',
  description: 'Looks up the emission factor of a country’s grid',
  skills: [footprint, emissionFactorLookup],
});
