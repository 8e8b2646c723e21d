// A dispatcher in a process of its own, in JavaScript so that four of them start quickly. Its argument: the agent that is a function here.
// Prints its counters, as a JSON line, when it is ready and for each line that it gets.
import { createInterface } from 'node:readline';
import { startBaton } from '#baton/baton.js';
import { readConfig } from '#baton/platform/config.js';

const baton = await startBaton(readConfig());
const agent = process.argv[2];
if (agent !== undefined) await baton.agent(JSON.parse(agent), () => null);
const tell = () => console.log(JSON.stringify(baton.counters()));
tell();

const stop = async () => {
  await baton.stop();
  process.exit(0);
};
process.once('SIGTERM', () => void stop());
createInterface({ input: process.stdin })
  .on('line', tell)
  .once('close', () => void stop());
