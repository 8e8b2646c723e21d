import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import { addDebts } from './workflows-debts.ts';
import { addGraph } from './workflows-graph.ts';
import { addLocalCommands } from './workflows-local.ts';
import { addMigrate } from './workflows-migrate.ts';
import { addExecutionReads } from './workflows-read.ts';
import { addReplay } from './workflows-replay.ts';
import { addSimulate } from './workflows-simulate.ts';
import { addStart } from './workflows-start.ts';
import { addSteering } from './workflows-steer.ts';
import { addVersions } from './workflows-versions.ts';

export const addWorkflows = (program: Command, terminal: Terminal): void => {
  const workflows = program
    .command('workflows')
    .description('Check, publish and run workflows; follow, control and explain their executions.');
  addLocalCommands(workflows, terminal);
  addSimulate(workflows, terminal);
  addVersions(workflows, terminal);
  addStart(workflows, terminal);
  addExecutionReads(workflows, terminal);
  addSteering(workflows, terminal);
  addDebts(workflows, terminal);
  addMigrate(workflows, terminal);
  addReplay(workflows, terminal);
  addGraph(workflows, terminal);
};
