import { runAgent } from '../agent/agent-server.ts';
import { isStep, STEPS, WORKERS } from './steps.ts';
import { WorkFolder } from './work-folder.ts';

/** One of the five agents, as a process: `agent.ts STEP FOLDER`, then the arguments of every agent. */
const [step = '', folder, ...args] = process.argv.slice(2);
if (!isStep(step) || folder === undefined) throw new Error(`usage: agent.ts ${STEPS.join('|')} FOLDER [--port N …]`);
await runAgent(WORKERS[step].agent(new WorkFolder(folder)), args);
