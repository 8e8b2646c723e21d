import { CancelTask } from 'baton-client';
import type { Command } from 'commander';
import { type KeyOptions, keyOption, perform } from '../perform.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';
import { addTaskReads } from './tasks-read.ts';
import { addSubmit, addSubmitMany } from './tasks-submit.ts';
import { addWatch } from './tasks-watch.ts';

type CancelOptions = KeyOptions & { readonly reason?: string };

const cancel = async (terminal: Terminal, taskId: string, options: CancelOptions): Promise<void> => {
  const { reason, idempotencyKey } = options;
  const { id, position, repeated } = await perform(terminal, options, CancelTask, { taskId, reason, idempotencyKey });
  print(terminal, options.json, { taskId: id, position, repeated }, () => `${id} cancelled\n`);
};

export const addTasks = (program: Command, terminal: Terminal): void => {
  const tasks = program.command('tasks').description('Submit, follow and explain tasks.');
  addSubmit(tasks, terminal);
  addSubmitMany(tasks, terminal);
  addTaskReads(tasks, terminal);
  addWatch(tasks, terminal);
  keyOption(
    tasks
      .command('cancel')
      .description('End a task at once; the result of a running attempt is ignored.')
      .argument('<id>')
      .option('--reason <text>', 'reason to record'),
  )
    .addHelpText('after', examples("baton tasks cancel 0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11 --reason 'ordered twice'"))
    .action((id: string, options: CancelOptions) => cancel(terminal, id, options));
};
