import { accepted, type TypedDocument } from 'baton-client';
import type { Command } from 'commander';
import { type ServerOptions, serverOptions, withClient } from './connection.ts';
import { print } from './print.ts';
import type { Terminal } from './terminal.ts';

export type KeyOptions = ServerOptions & { readonly idempotencyKey?: string };

/** Options of a command that changes something. */
export const keyOption = (command: Command): Command =>
  serverOptions(command.option('--idempotency-key <key>', 'the same key gives the same outcome'));

type Rejected = { readonly reason: string; readonly message: string };
export type Accepted = { readonly id: string; readonly position: string; readonly repeated: boolean };

/** Runs a mutation. Errors: `BatonError` with the reason when the server rejects it. */
export const perform = <Payload extends object, Variables>(
  terminal: Terminal,
  options: ServerOptions,
  document: TypedDocument<{ readonly payload: Payload }, Variables>,
  variables: NoInfer<Variables>,
): Promise<Exclude<Payload, Rejected>> =>
  withClient(terminal, options, async (client) => accepted(await client.execute(document, variables)));

/** What a mutation of an execution answers. */
type OfExecution<Variables> = TypedDocument<{ readonly payload: Accepted | Rejected }, Variables>;

/** Runs a mutation of one execution and prints what it did. */
export const steer = async <Variables>(
  terminal: Terminal,
  options: ServerOptions,
  document: OfExecution<Variables>,
  variables: NoInfer<Variables>,
  done: (id: string) => string,
): Promise<void> => {
  const { id, position, repeated } = await perform(terminal, options, document, variables);
  print(terminal, options.json, { executionId: id, position, repeated }, () => `${done(id)}\n`);
};
