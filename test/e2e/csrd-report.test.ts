import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { averageIntensity } from '@tgwf/co2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateSuppliers } from '../../src/examples/carbon/suppliers.ts';
import { type Ended, endOf } from '../support/cli-process.ts';
import { runProgram } from '../support/run-source.ts';

const MAIN = fileURLToPath(new URL('../../src/examples/csrd-report/main.ts', import.meta.url));
const SUPPLIERS = 25;
const SEED = 7;

let folder: string;
let out: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'baton-csrd-'));
  out = join(folder, 'out');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const start = (...args: string[]) =>
  spawn(process.execPath, [...runProgram(MAIN), ...args], {
    env: { ...process.env, BATON_DATA_DIR: join(folder, 'data') },
  });

const run = (...args: string[]): Promise<Ended> => endOf(start(...args));

const report = (...args: string[]): Promise<Ended> =>
  run('--suppliers', String(SUPPLIERS), '--seed', String(SEED), '--out', out, ...args);

const filesIn = async (path: string): Promise<string[]> =>
  (await readdir(path, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .sort();

type Entry = { readonly kind: string; readonly execution: string; readonly tonnesCO2e: number };

const ledger = async (): Promise<Entry[]> =>
  (await readFile(join(out, 'ledger.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry);

/** From the package's own figures, in whole grams. */
const expectedTonnes = (): number =>
  generateSuppliers(SEED, SUPPLIERS).reduce(
    (grams, { country, kWh }) => grams + Math.round(kWh * (averageIntensity.data[country] ?? Number.NaN)),
    0,
  ) / 1e6;

describe('the CSRD report', () => {
  it('is published with the total of its suppliers; the next report, which fails, is compensated down to the last file', async () => {
    const good = await report('--json');
    expect(good.code, good.err).toBe(0);
    const { executionId, reportFile } = JSON.parse(good.out);
    // The line as it is, with its order of keys.
    expect(good.out).toBe(
      `${JSON.stringify({
        executionId,
        status: 'completed',
        completed: ['collect', 'validate', 'calculate', 'generate', 'publish'],
        compensated: [],
        auditVerified: true,
        reportFile: join(out, 'published', `${executionId}.md`),
      })}\n`,
    );
    const total = expectedTonnes();
    const text = await readFile(reportFile, 'utf8');
    expect(text).toContain(
      `**${total.toLocaleString('en-US', { minimumFractionDigits: 3, maximumFractionDigits: 3 })} t CO2e**`,
    );
    expect(text).toContain(executionId);
    expect(await ledger()).toMatchObject([{ kind: 'booking', execution: executionId, tonnesCO2e: total }]);
    expect(JSON.parse(await readFile(join(out, 'published', 'index.json'), 'utf8'))).toMatchObject([
      { execution: executionId, file: `${executionId}.md`, tonnesCO2e: total },
    ]);
    const files = await filesIn(out);
    expect(files).toEqual(
      [
        ...['activity.json', 'footprint.json', 'report.md', 'validation.json'].map((name) => `${executionId}/${name}`),
        'ledger.jsonl',
        `published/${executionId}.md`,
        'published/index.json',
      ].sort(),
    );

    const failing = await report('--json', '--fail-at', 'publish');
    expect(failing.code, failing.err).toBe(0);
    const { executionId: compensated } = JSON.parse(failing.out);
    expect(failing.out).toBe(
      `${JSON.stringify({
        executionId: compensated,
        status: 'compensated',
        completed: ['collect', 'validate', 'calculate', 'generate'],
        compensated: ['generate', 'calculate', 'validate', 'collect'],
        auditVerified: true,
      })}\n`,
    );
    // The ledger stays, with the booking and its reversal. Nothing else does.
    expect(await filesIn(out)).toEqual(files);
    expect(existsSync(join(out, compensated))).toBe(false);
    const own = (await ledger()).filter(({ execution }) => execution === compensated);
    expect(own.map(({ kind, tonnesCO2e }) => [kind, tonnesCO2e])).toEqual([
      ['booking', total],
      ['reversal', -total],
    ]);
  });

  it('reports what is wrong with the arguments', async () => {
    const wrong: [string[], RegExp][] = [
      [['--fail-at', 'proofread'], /--fail-at.*Allowed: collect, validate, calculate, generate, publish/],
      [['--suppliers', '0', '--json'], /--suppliers.*Allowed: a whole number from 1 to 100000/],
      [['--out', MAIN], /--out.*is not a folder/],
    ];
    await Promise.all(
      wrong.map(async ([args, message]) => {
        const { code, out: printed, err } = await run(...args);
        expect({ code, printed }, err).toEqual({ code: 2, printed: '' });
        expect(err).toMatch(message);
      }),
    );
  });

  it('stops its servers and agents when it is interrupted', async () => {
    const child = start('--json', '--out', out);
    const ended = endOf(child);
    await new Promise<void>((resolve) => {
      child.stderr.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes('ready after')) resolve();
      });
    });
    child.kill('SIGINT');
    // Its streams close only when no agent holds them any longer.
    expect(await ended).toMatchObject({ code: 130, out: '' });
  });
});
