import type { Command } from 'commander';
import type { Imported, Problem } from '../../eventstore/transfer/import-outcome.ts';
import { numberOf } from '../../wording/sentences.ts';
import { withStoreClient } from '../eventstore-client.ts';
import { Ended, EXIT } from '../failure.ts';
import { duration, facts, oneLine } from '../format.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import { progressBar } from '../progress.ts';
import { StopRequest } from '../stop-request.ts';
import type { Terminal } from '../terminal.ts';

const SHOWN = 20;
const LONGEST_NAME = 80;

type Options = { readonly from: string; readonly to: string; readonly json?: boolean };

const report = (options: Options, imported: Imported, tookMs: number) => ({
  file: options.from,
  ...imported,
  renumbered: imported.renumbered.map(({ stream, by }) => ({ stream, by: String(by) })),
  problems: imported.problems.map(({ revision, fileId, targetId, ...problem }) => ({
    ...problem,
    revision: revision === undefined ? null : String(revision),
    fileId: fileId ?? null,
    targetId: targetId ?? null,
  })),
  tookMs,
  eventsPerSecond: Math.round((imported.events * 1_000) / Math.max(1, tookMs)),
});

type Report = ReturnType<typeof report>;

const problemLine = ({ kind, stream, revision, fileId, targetId, message }: Report['problems'][number]): string => {
  const where = revision === null ? '' : ` at revision ${revision}`;
  const ids = fileId === null ? '' : ` (${fileId} in the file, ${targetId ?? 'none to be seen'} in the target)`;
  return `${kind === 'conflict' ? 'CONFLICT' : 'REFUSED '}  ${oneLine(stream, LONGEST_NAME)}${where}: ${message}${ids}\n`;
};

const listed = <Item>(items: readonly Item[], line: (item: Item) => string): string =>
  items.slice(0, SHOWN).map(line).join('') + (items.length > SHOWN ? `… and ${items.length - SHOWN} more\n` : '');

const counted = ({ written, present }: { written: number; present: number }): string | undefined =>
  written + present === 0 ? undefined : `${written} written, ${present} already present`;

const asText = (found: Report): string =>
  [
    listed(found.problems, problemLine),
    listed(found.renumbered, ({ stream, by }) => {
      const name = oneLine(stream, LONGEST_NAME);
      return `RENUMBERED  ${name}: its first ${by} events were gone at the source, so its revisions are lower by ${by}\n`;
    }),
    facts([
      ['file', found.file],
      ['events', `${found.written} written, ${found.present} already present, of ${found.events}`],
      ['streams', String(found.streams)],
      ['metadata', counted(found.metadata)],
      ['tombstones', counted(found.tombstones)],
      [
        'note',
        found.tornLine ? 'the last line of the file is incomplete and was skipped; continue the export' : undefined,
      ],
      ['took', `${duration(found.tookMs)}, ${found.eventsPerSecond} events/s`],
      ['complete', completeness(found)],
    ]),
  ].join('');

const completeness = ({ complete, problems }: Report): string => {
  if (!complete) return 'NO, interrupted; run the same command again to continue';
  return problems.length === 0 ? 'yes' : `NO, ${numberOf(problems.length, 'stream')} left unchanged`;
};

const exitCodeOf = (problems: readonly Problem[]): number => {
  if (problems.some(({ kind }) => kind === 'conflict')) return EXIT.conflict;
  return problems.length > 0 ? EXIT.failed : EXIT.ok;
};

const importTo = async (terminal: Terminal, options: Options): Promise<void> => {
  const stop = new StopRequest();
  const { importStreams } = await import('../../eventstore/transfer/import-streams.ts');
  const startedAt = performance.now();
  let bar: ReturnType<typeof progressBar> | undefined;
  const imported = await withStoreClient('--to', options.to, (client) =>
    importStreams(client, {
      file: options.from,
      signal: stop.signal,
      onProgress: ({ bytes, allBytes }) => {
        bar ??= progressBar(terminal, 'appending', allBytes);
        bar.update(bytes);
      },
    }),
  ).finally(() => bar?.stop());
  const found = report(options, imported, Math.round(performance.now() - startedAt));
  print(terminal, options.json, found, () => asText(found));
  if (!imported.complete) throw new Ended(EXIT.interrupted);
  const exitCode = exitCodeOf(imported.problems);
  if (exitCode !== EXIT.ok) throw new Ended(exitCode);
};

export const addImport = (eventstore: Command, terminal: Terminal): void => {
  eventstore
    .command('import')
    .description('Append an export to a node or cluster in its order. A second run changes nothing.')
    .requiredOption('--from <file>', 'what `export` wrote')
    .requiredOption('--to <url>', 'the store: esdb://…')
    .option('--json', 'print exactly one JSON value')
    .addHelpText(
      'after',
      `${examples('baton eventstore import --from log.ndjson --to esdb://admin:changeit@cluster.example:2113')}
Ids and revisions are kept; positions and recording times are the target's. A stream that has other events in the
target is reported and left unchanged, the others continue: exit code 4. Exit code 1 when the target refuses events, for their
size for example. Run it again after an interruption: events already there are recognised.
`,
    )
    .action((options: Options) => importTo(terminal, options));
};
