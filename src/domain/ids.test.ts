import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AgentId,
  agentStream,
  categoryOf,
  commandIdOf,
  eventIdOf,
  idIn,
  isIn,
  messageIdOf,
  PoolId,
  poolStream,
  TaskId,
  TenantId,
  taskIdOf,
  taskStream,
} from './ids.ts';

describe('a derived id', () => {
  it('is always the same for the same parts', () => {
    expect(commandIdOf('acme', 'SubmitTask', 'order-17')).toBe(commandIdOf('acme', 'SubmitTask', 'order-17'));
    expect(TaskId.safeParse(taskIdOf(commandIdOf('acme', 'SubmitTask', 'order-17'))).success).toBe(true);
    // Logs hold these: they may not change with the way they are computed.
    expect(commandIdOf('acme', 'SubmitTask', 'order-17')).toBe('b72da9a6-3a5f-5e1a-806b-26f333d4e80d');
    expect(taskIdOf('c')).toBe('a06d473a-de61-52ac-b2f2-6cedec4754c4');
    expect(eventIdOf('c', 0)).toBe('ce365835-3625-577e-b8f4-3b73297dbcc8');
    expect(messageIdOf('c', 1)).toBe('d3637770-bd1f-577f-b8cf-e5a440ba6006');
  });

  it('differs when any part differs', () => {
    const ids = [
      commandIdOf('acme', 'SubmitTask', 'k'),
      commandIdOf('acme2', 'SubmitTask', 'k'),
      commandIdOf('acme', 'CancelTask', 'k'),
      commandIdOf('acme', 'SubmitTask', 'k2'),
      eventIdOf('c', 0),
      eventIdOf('c', 1),
      taskIdOf('c'),
      messageIdOf('c', 0),
      messageIdOf('c', 1),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('does not depend on where one part ends and the next begins', () =>
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), fc.string(), (a, b, c, d) => {
        fc.pre(![a, b, c, d].some((part) => part.includes('\u001f')) && (a !== c || b !== d));
        expect(commandIdOf('t', a, b)).not.toBe(commandIdOf('t', c, d));
      }),
    ));
});

describe('an id from outside', () => {
  const BAD = ['', '../x', 'a b', 'a.b', 'ä', 'a\u0000', '😀', 'x'.repeat(10_000), '-a', '%00'];

  it.each(BAD)('%j cannot name a tenant, pool or agent', (id) => {
    expect(TenantId.safeParse(id).success).toBe(false);
    expect(PoolId.safeParse(id).success).toBe(false);
    expect(AgentId.safeParse(id).success).toBe(false);
  });

  it('may contain a hyphen if it names an agent, but not a tenant or a pool, where it would end the category', () => {
    expect(AgentId.safeParse('agent-1').success).toBe(true);
    expect(TenantId.safeParse('acme-1').success).toBe(false);
    expect(PoolId.safeParse('pool-1').success).toBe(false);
  });
});

describe('a stream name', () => {
  it('contains category, tenant and id', () => {
    expect(agentStream('acme', 'a-1')).toBe('agent-acme.a-1');
    expect(taskStream('acme', 't')).toBe('task-acme.t');
    expect(poolStream('acme', 'p')).toBe('pool-acme.p');
  });

  it('has the category before its first hyphen', () => {
    expect(categoryOf('agent-acme.a-1')).toBe('agent');
    expect(categoryOf('nohyphen')).toBe('nohyphen');
    expect(isIn('agent', 'agent-acme.a-1')).toBe(true);
    expect(isIn('agent', 'agents-acme.a-1')).toBe(false);
  });

  it('gives its id back within its tenant only', () => {
    expect(idIn('agent', 'acme', agentStream('acme', 'a-1'))).toBe('a-1');
    expect(idIn('agent', 'other', agentStream('acme', 'a-1'))).toBeUndefined();
    expect(idIn('task', 'acme', agentStream('acme', 'a-1'))).toBeUndefined();
  });
});
