import { runAgent } from '../agent/agent-server.ts';
import { isStep, STEPS, WORKERS } from './steps.ts';
import { WorkFolder } from './work-folder.ts';

/** Runs one of the five agents: `agent.ts STEP FOLDER`, then the arguments that all agents take. */
const [step = '', folder, ...args] = process.argv.slice(2);
if (!isStep(step) || folder === undefined) throw new Error(`usage: agent.ts ${STEPS.join('|')} FOLDER [--port N …]`);
await runAgent(WORKERS[step].agent(new WorkFolder(folder)), args);
