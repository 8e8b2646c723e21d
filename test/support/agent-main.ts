import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentFaults } from './agent-process.ts';
import { seeded } from './fleet.ts';
import { startScriptedAgent } from './scripted-agent.ts';

/** What a step may ask of the agent: to fail, however often it is tried. */
type Input = { readonly fails?: boolean } | null;

const { journal, seed, faults } = JSON.parse(process.argv[2] ?? '') as {
  readonly journal: string;
  readonly seed: number;
  readonly faults: AgentFaults;
};
const random = seeded(seed);
appendFileSync(journal, '');

const agent = await startScriptedAgent(async (call, reply) => {
  // Noted before it does anything, like a ledger.
  if (call.effectKey !== undefined)
    appendFileSync(journal, `${JSON.stringify({ taskId: call.effectKey, attempt: call.attempt, at: call.at })}\n`);
  const dice = random();
  await sleep(1 + 20 * random());
  const { silent, failing, cut } = faults;
  if ((call.input as Input)?.fails) reply.error(-32_000, 'never');
  else if (dice < silent) return;
  else if (dice < silent + failing) reply.error(-32_000, 'not today');
  else if (dice < silent + failing + cut) reply.cut();
  else reply.data({ done: true });
});
console.log(agent.cardUrl);
process.once('SIGTERM', () => process.exit(0));
// It ends with whoever started it.
process.stdin.once('end', () => process.exit(0)).resume();
