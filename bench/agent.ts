/** An agent over the network that answers at once, in a process of its own. Prints the address of its card. */
import { startScriptedAgent } from '../test/support/scripted-agent.ts';

const agent = await startScriptedAgent((_, reply) => reply.data({ done: true }));
console.log(agent.cardUrl);
process.stdin.once('end', () => process.exit(0)).resume();
