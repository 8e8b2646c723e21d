import { afterAll, describe, expect, it } from 'vitest';
import { BROKEN_BUILDS } from '../../test/support/simulation/broken-builds.ts';
import { BrokenWorlds } from '../../test/support/simulation/broken-worlds.ts';
import { foundSeeds, KEPT_SEEDS, keepFound } from '../../test/support/simulation/kept-seeds.ts';
import { HERDS, TROUBLES, type Trouble } from '../../test/support/simulation/plan.ts';
import { runWorld } from '../../test/support/simulation/run-world.ts';

const FIRST = Number(process.env['FAULT_SEED'] ?? 1);
const SEEDS = Number(process.env['FAULT_SEEDS'] ?? 40);
/** Within so many worlds each broken build shows. */
const ENOUGH = 150;

describe('the processes of Baton in a simulated world', () => {
  it(`keep what is promised over ${SEEDS} seeds, whatever goes wrong`, {
    timeout: 60_000 + SEEDS * 2_000,
  }, async () => {
    const met = new Set<string>();
    let executions = 0;
    let events = 0;
    const startedMs = performance.now();
    for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
      const outcome = await runWorld(seed);
      if (outcome.findings.length > 0) keepFound(seed);
      expect(outcome.findings, `FAULT_SEED=${seed}`).toEqual([]);
      events += outcome.events;
      executions += outcome.trace.filter((line) => line.includes(' ExecutionStarted ')).length;
      for (const trouble of outcome.troubles) met.add(trouble);
    }
    const perMinute = Math.round((SEEDS / (performance.now() - startedMs)) * 60_000);
    console.log(JSON.stringify({ seeds: SEEDS, events, executions, perMinute }));
    expect(executions).toBeGreaterThan(SEEDS / 2);
    expect([...TROUBLES].filter((trouble) => !met.has(trouble))).toEqual([]);
  });

  it.each(KEPT_SEEDS)('keep it where they once did not: seed $seed, $why', async ({ seed, troubles }) =>
    expect((await runWorld(seed, troubles)).findings).toEqual([]),
  );

  it.each(foundSeeds())('keep it where an earlier run on this machine found that they do not: seed %i', async (seed) =>
    expect((await runWorld(seed)).findings).toEqual([]),
  );

  it.each<Trouble>(HERDS)('keep it with thousands of events at once: %s', { timeout: 60_000 }, async (herd) =>
    expect((await runWorld(1, [herd])).findings).toEqual([]),
  );

  it.each<readonly Trouble[]>([
    ['dependencies'],
    ['dependencies', 'kills', 'bad agents'],
    ['dependencies', 'lost messages', 'suspensions'],
    ['dependencies', 'store pauses', 'late messages'],
  ])('keep it where tasks wait for each other: %s %s %s', { timeout: 60_000 }, async (...troubles) => {
    let unblocked = 0;
    for (const seed of [1, 2]) {
      const { findings, trace } = await runWorld(seed, troubles);
      expect(findings, `seed ${seed}`).toEqual([]);
      unblocked += trace.filter((line) => line.includes(' TaskUnblocked ')).length;
    }
    expect(unblocked).toBeGreaterThan(3);
  });

  it('do the same again with the same seed', async () => {
    for (const seed of [3, 4, 5]) expect((await runWorld(seed)).trace).toEqual((await runWorld(seed)).trace);
  });
});

describe('a broken build', () => {
  const builds = new BrokenWorlds();
  afterAll(() => builds.remove(), 60_000);

  it.each(BROKEN_BUILDS)(
    'that $title is found within a few seeds',
    { timeout: 300_000 },
    async ({ changes, rules, troubles, seed: first }) => {
      const broken = await builds.with(changes);
      const found = new Set<string>();
      for (let seed = first; seed < first + ENOUGH && !rules.some((rule) => found.has(rule)); seed += 1)
        for (const { rule } of (await broken.runWorld(seed, troubles)).findings) found.add(rule);
      expect(rules.filter((rule) => found.has(rule))).not.toEqual([]);
    },
  );
});
