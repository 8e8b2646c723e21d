import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compare } from '../../src/cli/workflows/simulation/compare.ts';
import { modelOf } from '../../src/cli/workflows/simulation/model.ts';
import { withSimulator } from '../../src/cli/workflows/simulation/run-simulation.ts';
import { importWfFormat } from '../../src/domain/workflow/import-wfformat.ts';
import { runCli } from '../support/cli-process.ts';
import { INSTANCES, instancesMissing, readInstance, titled } from '../support/wfinstances.ts';

const SPEEDUP = 2_000;
const MOST_AGENTS = 1_000;

const link = (id: string, parents: readonly string[], children: readonly string[]) => ({
  id,
  name: id,
  parents,
  children,
});

const DIAMOND = {
  name: 'diamond',
  schemaVersion: '1.5',
  workflow: {
    specification: {
      tasks: [
        link('top', [], ['left', 'right']),
        link('left', ['top'], ['end']),
        link('right', ['top'], ['end']),
        link('end', ['left', 'right'], []),
      ],
    },
    execution: {
      makespanInSeconds: 60,
      tasks: ['top', 'left', 'right', 'end'].map((id) => ({ id, runtimeInSeconds: 20 })),
      machines: [{ cpu: { coreCount: 2 } }],
    },
  },
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'baton-simulate-'));
  await chmod(folder, 0o711); // Postgres, started by root, runs as another user and must get in
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a simulation', () => {
  it('runs a recorded graph through its own Baton and leaves nothing behind', async () => {
    const file = join(folder, 'diamond.json');
    await writeFile(file, JSON.stringify(DIAMOND));
    const { code, out, err } = await runCli(['workflows', 'simulate', file, '--speedup', '500', '--json'], {
      TMPDIR: folder,
    });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const comparison = JSON.parse(out) as { makespanMs: number; boundMs: number; timers: { tookMs: number } };
    expect(comparison).toMatchObject({
      workflow: 'diamond',
      status: 'completed',
      tasks: 4,
      edges: 4,
      agents: 2,
      recordedMakespanMs: 60_000,
      recordedCriticalPathMs: 60_000,
      violations: [],
    });
    expect(comparison.timers.tookMs).toBeGreaterThan(4 * 39);
    // Instants of the log are in whole milliseconds: either end may be off by one.
    expect(comparison.makespanMs).toBeGreaterThan(comparison.boundMs - 2);
    expect((await readdir(folder)).filter((name) => name.startsWith('baton-'))).toEqual([]);
  });

  it('accepts a definition as its graph, with any number of agents', async () => {
    const file = join(folder, 'order.yaml');
    const tasks = [
      '{ id: a, capability: x, estimateMs: 20, input: { y: = input.missing } }',
      '{ id: b, role: r, dependsOn: [a], when: tasks.a.output.no }',
      '{ id: c, waitFor: { kind: decision, name: d }, dependsOn: [a], estimateMs: 10 }',
    ];
    await writeFile(
      file,
      `name: order\nversion: 2.0.0\nagents: { r: { capability: z } }\ntasks: [${tasks.join(', ')}]\n`,
    );
    const { code, out } = await runCli(['workflows', 'simulate', file, '--speedup', '100', '--agents', '1'], {});
    expect(code).toBe(0);
    expect(out).toMatch(/^agents +one local agent that takes 1 call at a time$/m);
    expect(out).toMatch(/^assumed +1 task without an estimate/m);
    expect(out).toMatch(/^order +2 dependencies completed before/m);
  });
});

describe.skipIf(instancesMissing)(titled('runs of real systems, recorded by WfCommons, as workflows'), () => {
  it('complete, with every task once and after all its dependencies', async () => {
    const ends = await withSimulator(
      { env: {}, agents: MOST_AGENTS, signal: new AbortController().signal },
      async (simulator) => {
        const ends = [];
        for (const { name } of INSTANCES) {
          const imported = importWfFormat(readInstance(name));
          if (!imported.ok) throw new Error(JSON.stringify(imported.rejection));
          const { workflow, recording } = imported.value;
          const model = modelOf(workflow, recording, { speedup: SPEEDUP, agents: undefined });
          const run = await simulator.run(model, { speedup: SPEEDUP });
          const { tasks, edges, status, violations } = compare({ workflow, recording, model, speedup: SPEEDUP }, run);
          ends.push({ name, tasks, edges, status, violations });
        }
        return ends;
      },
    );
    expect(ends).toEqual(
      INSTANCES.map(({ name, tasks, edges }) => ({ name, tasks, edges, status: 'completed', violations: [] })),
    );
  }, 120_000);
});
