import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { validateWorkflow } from '../../commands/workflow/publish-workflow.ts';
import type { Agent } from '../agent/agent-server.ts';
import { definition } from './definition.ts';
import { STEPS, type Step, WORKERS } from './steps.ts';
import { type FileRef, WorkFolder } from './work-folder.ts';

const execution = '403fde25-0553-4d14-b7ba-2929a673a188';
const other = '503fde25-0553-4d14-b7ba-2929a673a188';

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'csrd-agents-'));
});
afterEach(() => rmSync(path, { recursive: true }));

const agentOf = (step: Step): Agent => WORKERS[step].agent(new WorkFolder(path));

/** A new agent each time, as after a restart. */
const call = (step: Step, which: 'do' | 'compensate', input: object, effectKey: string | undefined = 'key-1') => {
  const skill = agentOf(step).skills[which === 'do' ? 0 : 1];
  return skill?.run(input, { agent: step, effectKey }) as Record<string, unknown>;
};

const collected = (): FileRef => {
  const { file, sha256 } = call('collect', 'do', { execution, suppliers: 5, seed: 1 });
  return { file, sha256 } as FileRef;
};
const calculate = (activity: FileRef, effectKey?: string) =>
  call('calculate', 'do', { execution, activity }, effectKey);
const ledgerLines = (): Record<string, unknown>[] =>
  readFileSync(join(path, 'ledger.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('the definition', () => {
  it('requires only capabilities that its agents have, and publishes without warnings', () => {
    expect(validateWorkflow(definition).workflow.warnings).toEqual([]);
    const required = definition.tasks.map(({ id, capability, compensation }) => [
      id,
      [capability, compensation?.capability],
    ]);
    expect(required).toEqual(STEPS.map((step) => [step, agentOf(step).skills.map(({ id }) => id)]));
  });
});

describe('the accountant', () => {
  it('books once per effect key, and answers a repeated call identically', () => {
    const activity = collected();
    const first = calculate(activity, 'task-1');
    expect(calculate(activity, 'task-1')).toEqual(first);
    expect(ledgerLines()).toHaveLength(1);
    expect(ledgerLines()[0]).toMatchObject({ kind: 'booking', id: 'task-1', execution, tonnesCO2e: first['total'] });
  });

  it('books nothing without an effect key', () => {
    const activity = collected();
    const skill = agentOf('calculate').skills[0];
    const withoutKey = () => skill?.run({ execution, activity }, { agent: 'calculate', effectKey: undefined });
    expect(withoutKey).toThrow('effect key');
    expect(existsSync(join(path, 'ledger.jsonl'))).toBe(false);
  });

  it('reverses a booking once, and does not touch those of other executions', () => {
    const activity = collected();
    const { total } = calculate(activity, 'task-1');
    call('calculate', 'do', { execution: other, activity }, 'task-2');
    expect(call('calculate', 'compensate', { execution }, 'undo-1')).toEqual({ reversed: 'task-1' });
    expect(call('calculate', 'compensate', { execution }, 'undo-1')).toEqual({ reversed: 'task-1' });
    expect(ledgerLines().map(({ kind, of, tonnesCO2e }) => [kind, of, tonnesCO2e])).toEqual([
      ['booking', undefined, total],
      ['booking', undefined, total],
      ['reversal', 'task-1', -(total as number)],
    ]);
    expect(readdirSync(join(path, execution))).toEqual(['activity.json']);
    expect(readdirSync(join(path, other))).toEqual(['footprint.json']);
  });

  it('refuses to book for an execution that was already compensated', () => {
    const activity = collected();
    expect(call('calculate', 'compensate', { execution }, 'undo-1')).toEqual({ reversed: null });
    expect(() => calculate(activity, 'task-1')).toThrow('already reversed');
    expect(ledgerLines()).toHaveLength(1);
  });

  it('drops a line that a crash truncated, and books on a new line', () => {
    const activity = collected();
    calculate(activity, 'task-1');
    appendFileSync(join(path, 'ledger.jsonl'), '{"kind":"booking","id":"task-2"');
    calculate(activity, 'task-2');
    expect(ledgerLines().map(({ id }) => id)).toEqual(['task-1', 'task-2']);
  });
});

describe('the other agents', () => {
  it('compensate a step that never ran without an error', () => {
    for (const step of ['collect', 'validate', 'generate', 'publish'] as const)
      expect(call(step, 'compensate', { execution })).toEqual({ removed: false });
    expect(readdirSync(path)).toEqual([]);
  });

  it('refuse a file that was changed, and paths outside the work folder', () => {
    const activity = collected();
    writeFileSync(join(path, activity.file), '{"suppliers":[]}');
    expect(() => call('validate', 'do', { execution, activity })).toThrow('was changed since');
    const elsewhere = { ...activity, file: '../../etc/passwd' };
    expect(() => call('validate', 'do', { execution, activity: elsewhere })).toThrow('/activity/file');
  });

  it('refuse implausible data, and leave no files behind', () => {
    const suppliers = [
      { supplier: 'Acme', country: 'DEU', kWh: 1_000 },
      { supplier: 'Bolt', country: 'DEU', kWh: 2e9 },
    ];
    const activity = new WorkFolder(path).write(execution, 'activity.json', JSON.stringify({ suppliers }));
    expect(() => call('validate', 'do', { execution, activity })).toThrow(/energy is plausible.*Bolt/);
    expect(readdirSync(join(path, execution))).toEqual(['activity.json']);
  });

  it('write no report for a total that was not booked', () => {
    const activity = collected();
    const { file, sha256, total, booking } = calculate(activity);
    const facts = { execution, seed: 1, footprint: { file, sha256 }, booking, checks: 5, activitySha256: sha256 };
    const write = (sum: number) => call('generate', 'do', { ...facts, total: sum });
    expect(() => write((total as number) + 1)).toThrow('the booked total is');
    expect(write(total as number)).toMatchObject({ file: `${execution}/report.md` });
  });

  it('publish a report once, however often they are called, and withdraw it', () => {
    const { file, sha256 } = new WorkFolder(path).write(execution, 'report.md', '# Report');
    const report = { file, sha256 };
    const publish = (of: string) => call('publish', 'do', { execution: of, report, total: 1 });
    publish(execution);
    publish(execution);
    publish(other);
    const shelf = join(path, 'published');
    const listed = (): string[] =>
      JSON.parse(readFileSync(join(shelf, 'index.json'), 'utf8')).map((entry: { file: string }) => entry.file);
    expect(listed()).toEqual([`${execution}.md`, `${other}.md`]);
    expect(call('publish', 'compensate', { execution })).toEqual({ removed: true });
    expect(listed()).toEqual([`${other}.md`]);
    expect(call('publish', 'compensate', { execution: other })).toEqual({ removed: true });
    expect(existsSync(shelf)).toBe(false);
  });
});
