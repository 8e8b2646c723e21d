import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import { addExport } from './eventstore-export.ts';
import { addImport } from './eventstore-import.ts';
import { addVerify } from './eventstore-verify.ts';

export const addEventStore = (program: Command, terminal: Terminal): void => {
  const eventstore = program
    .command('eventstore')
    .description('Check the embedded node’s data, and move streams between a node and a cluster.');
  addVerify(eventstore, terminal);
  addExport(eventstore, terminal);
  addImport(eventstore, terminal);
};
