import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Baton, startBaton } from '../../baton.ts';
import { type Audit, auditLog } from '../../cli/audit.ts';
import { duration } from '../../cli/format.ts';
import type { Terminal } from '../../cli/terminal.ts';
import { DEFAULT_TENANT, executionStream } from '../../domain/ids.ts';
import { createEsdbEventStore } from '../../eventstore/esdb-event-store.ts';
import type { EventStore } from '../../eventstore/event-store.ts';
import { systemClock } from '../../platform/clock.ts';
import { Closing } from '../../platform/closing.ts';
import { type Config, readConfig } from '../../platform/config.ts';
import { createLogger } from '../../platform/logger.ts';
import { happeningText } from './account.ts';
import { Crew, caller } from './crew.ts';
import { definition } from './definition.ts';
import { type History, Reader, readHistory } from './history.ts';
import type { Step } from './steps.ts';

export type RunOptions = {
  readonly suppliers: number;
  readonly seed: number;
  /** The step that is to fail. */
  readonly failAt: Step | undefined;
  /** Where the files go, absolute. */
  readonly out: string;
};

export type Run = {
  readonly options: RunOptions;
  readonly executionId: string;
  readonly history: History;
  /** Of the whole log. */
  readonly audit: Audit;
};

/** Servers of its own with data of its own, so that it meets no running Baton; a second run at the same time is refused. */
export const configOf = (env: Terminal['env']): Config => {
  const { dataDir } = readConfig(env);
  // The folder above may not exist yet. Started by root, Postgres runs as another user and must get through it.
  mkdirSync(dataDir, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  return readConfig({
    BATON_DATA_DIR: join(dataDir, 'csrd-report'),
    BATON_PORT: '0',
    BATON_LOG_LEVEL: env['BATON_LOG_LEVEL'] ?? 'error',
    BATON_ALLOW_INSTALL: env['BATON_ALLOW_INSTALL'],
  });
};

/** Where the files go when nobody says: beside the data of the servers. */
export const defaultOut = ({ dataDir }: Config): string => resolve(dataDir, '..', 'csrd-report-files');

type Stage = { readonly baton: Baton; readonly store: EventStore; readonly crew: Crew };

const prepare = async (config: Config, { out, failAt }: RunOptions, closing: Closing): Promise<Stage> => {
  const logger = createLogger(config.logLevel);
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

type Telling = { readonly say: (line: string) => void; readonly signal: AbortSignal };

/** Tells what happens to the execution until it has ended. */
const follow = async ({ feed }: Baton, stream: string, after: bigint | undefined, { say, signal }: Telling) => {
  const reader = new Reader();
  const from = after === undefined ? {} : { after };
  for await (const { events } of feed.read({ ...from, maxBatch: 100, signal }))
    for (const event of events.filter((candidate) => candidate.stream === stream)) {
      const happening = reader.take(event);
      if (happening?.kind === 'ended') return;
      if (happening) say(happeningText(happening));
    }
};

const perform = async ({ baton, store }: Stage, options: RunOptions, telling: Telling): Promise<Run> => {
  const { name, version } = await baton.publish(definition);
  const after = baton.feed.status().position;
  const input = { suppliers: options.suppliers, seed: options.seed };
  const { executionId } = await baton.start({ workflow: name, version, input, tags: ['example'] }, caller);
  telling.say(`${name}@${version}, execution ${executionId}`);
  const stream = executionStream(DEFAULT_TENANT, executionId);
  await follow(baton, stream, after, telling);
  telling.signal.throwIfAborted();
  return { options, executionId, history: await readHistory(store, stream), audit: await auditLog(store) };
};

/** Runs the example from its servers' start to their end. `say` gets a line for whatever happens. */
export const runReport = async (config: Config, options: RunOptions, telling: Telling): Promise<Run> => {
  const closing = new Closing();
  const startedAt = performance.now();
  try {
    telling.say('starting the servers and five agents …');
    // Not cut short by an interruption: what is half started has to be waited for, to be stopped.
    const stage = await prepare(config, options, closing);
    telling.signal.throwIfAborted();
    telling.say(`ready after ${duration(performance.now() - startedAt)}`);
    return await perform(stage, options, telling);
  } finally {
    await closing.run(createLogger('error'));
  }
};
