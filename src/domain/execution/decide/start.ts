import { plusMs } from '../../instant.ts';
import { ok } from '../../result.ts';
import { abort } from '../abort.ts';
import { advance } from '../advance.ts';
import type { CommandOf } from '../commands.ts';
import type { Decision } from '../decision.ts';
import type { ExecutionStreamEvent } from '../events.ts';
import { evolveExecution } from '../evolve.ts';
import { initialExecution } from '../state.ts';
import { Turn } from '../turn.ts';

export const start = (command: CommandOf<'StartExecution'>): Decision => {
  const { executionId, workflow, definition, input, tags, now, routing } = command;
  const { timeoutMs } = definition;
  const event: ExecutionStreamEvent = {
    type: 'ExecutionStarted',
    data: {
      executionId,
      workflow,
      definition,
      input,
      tags: [...tags],
      ...(timeoutMs === undefined ? {} : { deadlineAt: plusMs(now, timeoutMs) }),
      ...(command.parent === undefined ? {} : { parent: command.parent }),
      ...(command.forkedFrom === undefined
        ? {}
        : { forkedFrom: { ...command.forkedFrom, reused: [...command.forkedFrom.reused] } }),
      ...(command.inputs === undefined ? {} : { inputs: command.inputs }),
      startedAt: now,
    },
  };
  const state = evolveExecution(initialExecution(), event);
  if (state.status === 'none') throw new Error('bug: a started execution is none');
  const turn = new Turn(state, now, routing);
  if (command.unwanted !== undefined)
    abort(turn, {
      reason: 'cancelled',
      comment: command.unwanted,
      compensate: false,
      strategy: definition.saga.strategy,
      interrupt: true,
    });
  advance(turn);
  return ok({ events: [event, ...turn.events], state: turn.state });
};
