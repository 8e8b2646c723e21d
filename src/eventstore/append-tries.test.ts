import { describe, expect, it, vi } from 'vitest';
import { appendInTries, type TryOutcome } from './append-tries.ts';
import { RevisionConflict } from './event-store.ts';

const target = { stream: 'task-default.1', expectedRevision: 4n } as const;
const result = { revision: 5n, position: 500n };
const conflict: TryOutcome = { kind: 'conflict', actual: 7n };
const lost = new Error('connection lost');

const tries = (outcomes: readonly (TryOutcome | Error)[], written: typeof result | undefined) => {
  const attempt = vi.fn(async () => {
    const outcome = outcomes[attempt.mock.calls.length - 1] as TryOutcome | Error;
    if (outcome instanceof Error) throw outcome;
    return outcome;
  });
  const findWritten = vi.fn(async () => written);
  return { run: appendInTries(target, attempt, findWritten), findWritten };
};

describe('an append', () => {
  it('succeeds when the store acknowledges it', async () => {
    const { run, findWritten } = tries([{ kind: 'appended', ...result }], undefined);
    expect(await run()).toEqual(result);
    expect(findWritten).not.toHaveBeenCalled();
  });

  it('conflicts at once when nothing of it can have been written', async () => {
    const { run, findWritten } = tries([conflict], result);
    const refused = await run().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RevisionConflict);
    expect(refused).toMatchObject({ stream: target.stream, expected: 4n, actual: 7n });
    expect(findWritten).not.toHaveBeenCalled();
  });

  it('whose outcome is unknown succeeds when a later try conflicts with its own events', async () => {
    const { run } = tries([lost, conflict], result);
    await expect(run()).rejects.toBe(lost);
    expect(await run()).toEqual(result);
  });

  it('whose outcome is unknown conflicts when a later try conflicts with the events of another append', async () => {
    const { run } = tries([lost, lost, conflict], undefined);
    await expect(run()).rejects.toBe(lost);
    await expect(run()).rejects.toBe(lost);
    await expect(run()).rejects.toBeInstanceOf(RevisionConflict);
  });

  it('that is acknowledged without its position is looked up', async () => {
    expect(await tries([{ kind: 'appended_somewhere' }], result).run()).toEqual(result);
    await expect(tries([{ kind: 'appended_somewhere' }], undefined).run()).rejects.toThrow('does not return them');
  });
});
