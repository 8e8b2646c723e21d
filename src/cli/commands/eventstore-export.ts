import type { Command } from 'commander';
import type { Exported } from '../../eventstore/transfer/export-streams.ts';
import { numberOf } from '../../wording/sentences.ts';
import { withStoreClient } from '../eventstore-client.ts';
import { Ended, EXIT, usageFailure } from '../failure.ts';
import { duration, facts } from '../format.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import { progressBar } from '../progress.ts';
import { StopRequest } from '../stop-request.ts';
import type { Terminal } from '../terminal.ts';

type Options = {
  readonly from: string;
  readonly to: string;
  readonly streams?: readonly string[];
  readonly all?: boolean;
  readonly includeSystem?: boolean;
  readonly json?: boolean;
};

const perSecond = (events: number, tookMs: number): number => Math.round((events * 1_000) / Math.max(1, tookMs));

const report = (options: Options, exported: Exported, tookMs: number) => ({
  file: options.to,
  events: exported.events,
  streams: exported.streams,
  bytes: exported.bytes,
  position: exported.position === undefined ? null : String(exported.position),
  resumedAt: exported.resumedAt === undefined ? null : String(exported.resumedAt),
  complete: exported.complete,
  tookMs,
  eventsPerSecond: perSecond(exported.events, tookMs),
});

const asText = (found: ReturnType<typeof report>): string =>
  facts([
    ['file', `${found.file}, ${found.bytes} bytes`],
    ['continued', found.resumedAt === null ? undefined : `after position ${found.resumedAt}`],
    ['events', `${found.events} of ${numberOf(found.streams, 'stream')}`],
    ['read up to', found.position ?? 'nothing: the log is empty'],
    ['took', `${duration(found.tookMs)}, ${found.eventsPerSecond} events/s`],
    ['complete', found.complete ? 'yes' : 'NO, interrupted; run the same command again to continue'],
  ]);

const exportFrom = async (terminal: Terminal, options: Options): Promise<void> => {
  const streams = options.streams ?? [];
  if ((options.all === true) === streams.length > 0)
    throw usageFailure('name the streams: --streams PATTERN… or --all');
  if (streams.includes('')) throw usageFailure('--streams "": name a stream');
  const stop = new StopRequest();
  const { exportStreams } = await import('../../eventstore/transfer/export-streams.ts');
  const startedAt = performance.now();
  let bar: ReturnType<typeof progressBar> | undefined;
  const exported = await withStoreClient('--from', options.from, (client) =>
    exportStreams(client, {
      file: options.to,
      selection: { streams, includeSystem: options.includeSystem === true },
      now: new Date().toISOString(),
      signal: stop.signal,
      onProgress: ({ position, head }) => {
        bar ??= progressBar(terminal, 'reading the log', Number(head));
        bar.update(Number(position));
      },
    }),
  ).finally(() => bar?.stop());
  const found = report(options, exported, Math.round(performance.now() - startedAt));
  print(terminal, options.json, found, () => asText(found));
  if (!exported.complete) throw new Ended(EXIT.interrupted);
};

export const addExport = (eventstore: Command, terminal: Terminal): void => {
  eventstore
    .command('export')
    .description('Write streams of a node or cluster to a file, in log order. Continues where it was interrupted.')
    .requiredOption('--from <url>', 'the store: esdb://…')
    .requiredOption('--to <file>', 'JSON lines; an existing file is continued')
    .option('--streams <pattern...>', 'names of streams; * matches any characters (repeatable)')
    .option('--all', 'every stream')
    .option('--include-system', 'also streams whose name starts with $')
    .option('--json', 'print exactly one JSON value')
    .addHelpText(
      'after',
      `${examples(
        'baton eventstore export --from esdb://127.0.0.1:2113?tls=false --to log.ndjson --all',
        "baton eventstore export --from esdb://… --to orders.ndjson --streams 'order-*' customer-7",
      )}
Includes the metadata and tombstones of the streams, and events hidden by $maxCount, $maxAge or $tb unless a scavenge removed
them. Run it again later to add new events. The file contains everything: protect it like the store.
`,
    )
    .action((options: Options) => exportFrom(terminal, options));
};
