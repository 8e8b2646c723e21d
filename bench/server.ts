/** A Baton server with one local no-op agent, for benchmarks whose client is another process. Prints one JSON line when ready. */
import { startBaton } from '#baton/baton.js';
import { readConfig } from '#baton/platform/config.js';
import { NOOP_AGENT } from './noop-agent.ts';

const baton = await startBaton(readConfig());
await baton.agent(NOOP_AGENT, () => null);
console.log(JSON.stringify({ url: baton.url }));

const stop = async (): Promise<void> => {
  await baton.stop();
  process.exit(0);
};
process.once('SIGTERM', () => void stop());
process.stdin.once('end', () => void stop()).resume();
