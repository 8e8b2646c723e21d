import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Baton, startBaton } from '../../baton.ts';
import { auditLog } from '../../cli/audit.ts';
import { duration } from '../../cli/format.ts';
import type { OwnStores } from '../../cli/own-stores.ts';
import type { Terminal } from '../../cli/terminal.ts';
import { DEFAULT_TENANT, executionStream } from '../../domain/ids.ts';
import { createEsdbEventStore } from '../../eventstore/esdb-event-store.ts';
import type { EventStore } from '../../eventstore/event-store.ts';
import { systemClock } from '../../platform/clock.ts';
import { Closing } from '../../platform/closing.ts';
import { type Config, readConfig } from '../../platform/config.ts';
import { createLogger } from '../../platform/logger.ts';
import { progressText } from './account.ts';
import { Crew, caller } from './crew.ts';
import { definition } from './definition.ts';
import { Reader, readHistory } from './history.ts';
import type { Run, RunOptions } from './record.ts';

/**
 * Unless it is given the URLs of stores, it uses its own servers and data, so that it never meets a running Baton. A second run at the
 * same time is refused.
 */
export const configOf = (env: Terminal['env'], stores: OwnStores['urls'] | undefined): Config => {
  const { dataDir } = readConfig(env);
  // The parent folder may not exist yet. As root we run Postgres as another user, who must be able to pass through.
  mkdirSync(dataDir, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  return readConfig({
    BATON_DATA_DIR: join(dataDir, 'csrd-report'),
    BATON_PORT: '0',
    BATON_LOG_LEVEL: env['BATON_LOG_LEVEL'] ?? 'error',
    BATON_ALLOW_INSTALL: env['BATON_ALLOW_INSTALL'],
    ...(stores && { ...stores, BATON_ALLOW_PRIVATE_AGENTS: 'true' }), // the agents run on this machine
  });
};

/** The default folder for the files: beside the servers' data. */
export const defaultOut = ({ dataDir }: Config): string => resolve(dataDir, '..', 'csrd-report-files');

type Stage = { readonly baton: Baton; readonly store: EventStore; readonly crew: Crew };

const prepare = async (config: Config, { out, failAt }: RunOptions, closing: Closing): Promise<Stage> => {
  const logger = createLogger(config.logLevel, config.logFormat);
  const baton = await startBaton(config, { logger });
  closing.add('Baton', () => baton.stop());
  const store = createEsdbEventStore(baton.urls.eventStoreUrl, { logger, clock: systemClock });
  closing.add('the event store', () => store.close());
  const crew = await Crew.start(baton, out, failAt);
  closing.add('the agents', () => crew.stop());
  closing.add('the registrations', () => crew.deregister());
  await crew.register();
  return { baton, store, crew };
};

type Output = { readonly say: (line: string) => void; readonly signal: AbortSignal };

/** Reports the progress of the execution until it ends. */
const follow = async ({ feed }: Baton, stream: string, after: bigint | undefined, { say, signal }: Output) => {
  const reader = new Reader();
  const from = after === undefined ? {} : { after };
  for await (const { events } of feed.read({ ...from, maxBatch: 100, signal }))
    for (const event of events.filter((candidate) => candidate.stream === stream)) {
      const step = reader.take(event);
      if (step?.kind === 'ended') return;
      if (step) say(progressText(step));
    }
};

const perform = async ({ baton, store }: Stage, options: RunOptions, output: Output): Promise<Run> => {
  const { name, version } = await baton.publish(definition);
  const after = baton.feed.status().position;
  const input = { suppliers: options.suppliers, seed: options.seed };
  const { executionId } = await baton.start({ workflow: name, version, input, tags: ['example'] }, caller);
  output.say(`${name}@${version}, execution ${executionId}`);
  const stream = executionStream(DEFAULT_TENANT, executionId);
  await follow(baton, stream, after, output);
  output.signal.throwIfAborted();
  return { options, executionId, history: await readHistory(store, stream), audit: await auditLog(store) };
};

/** Starts the servers, runs the example and stops the servers. `say` gets a line for each step. */
export const runReport = async (config: Config, options: RunOptions, output: Output): Promise<Run> => {
  const closing = new Closing();
  const startedAt = performance.now();
  try {
    output.say('starting the servers and five agents …');
    // Runs to its end even when interrupted: a server must be fully started before it can be stopped.
    const stage = await prepare(config, options, closing);
    output.signal.throwIfAborted();
    output.say(`ready after ${duration(performance.now() - startedAt)}`);
    return await perform(stage, options, output);
  } finally {
    await closing.run(createLogger('error'));
  }
};
