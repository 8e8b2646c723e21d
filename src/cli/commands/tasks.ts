import type { Command } from 'commander';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { type Accepted, acceptedOf, payloadOf } from '../payload.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import type { Terminal } from '../terminal.ts';
import { addTaskReads } from './tasks-read.ts';
import { addSubmit } from './tasks-submit.ts';
import { addWatch } from './tasks-watch.ts';

const CANCEL = `mutation ($taskId: ID!, $reason: String, $key: String) {
  cancelTask(taskId: $taskId, reason: $reason, idempotencyKey: $key) ${payloadOf('Task')} }`;

type CancelOptions = ServerOptions & { readonly reason?: string; readonly idempotencyKey?: string };

const cancel = async (terminal: Terminal, taskId: string, options: CancelOptions): Promise<void> => {
  const variables = { taskId, reason: options.reason, key: options.idempotencyKey };
  const { cancelTask } = await withClient(terminal, options, (client) =>
    client.execute<{ cancelTask: Accepted }>(CANCEL, variables),
  );
  const { id, position, repeated } = acceptedOf(cancelTask);
  print(terminal, options.json, { taskId: id, position, repeated }, () => `${id} cancelled\n`);
};

export const addTasks = (program: Command, terminal: Terminal): void => {
  const tasks = program.command('tasks').description('Submit tasks, follow them, and see why they are where they are.');
  addSubmit(tasks, terminal);
  addTaskReads(tasks, terminal);
  addWatch(tasks, terminal);
  serverOptions(
    tasks
      .command('cancel')
      .description('End a task at once; the answer of an attempt that runs no longer counts.')
      .argument('<id>')
      .option('--reason <text>', 'recorded with it')
      .option('--idempotency-key <key>', 'the same key gives the same outcome'),
  )
    .addHelpText('after', examples("baton tasks cancel 0190b5a4-5b9e-7cc1-8a52-3c6f6c9f0d11 --reason 'ordered twice'"))
    .action((id: string, options: CancelOptions) => cancel(terminal, id, options));
};
