import { resolve } from 'node:path';
import type { Problem, Verification } from 'baton-eventstore-node/verify';
import type { Command } from 'commander';
import { Ended, EXIT, refused } from '../failure.ts';
import { facts, oneLine } from '../format.ts';
import { nodeFailure } from '../node-failure.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import { progressBar } from '../progress.ts';
import type { Terminal } from '../terminal.ts';

const SHOWN = 20;
const LONGEST_NAME = 80;

type Options = { readonly data: string; readonly json?: boolean };

const listed = <Item>(items: readonly Item[], all: number, line: (item: Item) => string): string[] => [
  ...items.slice(0, SHOWN).map((item) => `${line(item)}\n`),
  ...(all > SHOWN ? [`… and ${all - SHOWN} more\n`] : []),
];

const problemLine = ({ position, file, offset, message, bytes, stream }: Problem): string => {
  const place = file === undefined ? '' : ` (${file}, byte ${offset})`;
  const size = bytes === undefined ? '' : `, ${bytes} bytes`;
  const of = stream === undefined ? '' : ` of stream ${oneLine(stream, LONGEST_NAME)}`;
  return `DAMAGED  position ${position}${place}${of}: ${message}${size}`;
};

const SNAPSHOTS: Readonly<Record<Verification['snapshot'], string>> = {
  agrees: 'agrees with the log',
  none: 'none; the next start reads the log instead',
  unreadable: 'unreadable; the next start reads the log instead',
  disagrees: 'DISAGREES with the log',
};

const asText = (found: Verification): string => {
  const { tornTail } = found;
  return [
    ...listed(found.problems, found.problemCount, problemLine),
    ...listed(found.lostEvents, found.lostEvents.length, ({ stream, revision, position }) => {
      const which = revision === undefined ? 'the tombstone' : `revision ${revision}`;
      return `LOST     ${which} of stream ${oneLine(stream, LONGEST_NAME)} (position ${position})`;
    }),
    facts([
      ['folder', found.folder],
      ['files', `${found.segments}, ${found.bytes} bytes`],
      ['groups', String(found.groups)],
      ['events', String(found.events)],
      ['streams', String(found.streams)],
      ['snapshot', SNAPSHOTS[found.snapshot]],
      [
        'note',
        found.unreadableMetadata === 0
          ? undefined
          : `${found.unreadableMetadata} metadata events are no JSON objects and count as none`,
      ],
      [
        'torn tail',
        tornTail &&
          `${tornTail.bytes} bytes from position ${tornTail.position} on (${tornTail.file}, byte ${tornTail.offset}): a write that a crash interrupted and nobody was told of. The next start cuts it off`,
      ],
      ['verified', found.problemCount === 0 ? 'yes' : 'NO'],
    ]),
  ].join('');
};

const asJson = (found: Verification) => ({
  verified: found.problemCount === 0,
  ...found,
  tornTail: found.tornTail ?? null,
});

const verify = async (terminal: Terminal, options: Options): Promise<void> => {
  const folder = resolve(options.data);
  const { verifyDataFolder } = await import('baton-eventstore-node/verify');
  let bar: ReturnType<typeof progressBar> | undefined;
  const found = await verifyDataFolder(folder, (done, all) => {
    bar ??= progressBar(terminal, 'reading the log', all);
    bar.update(done);
  })
    .catch((error: unknown) => {
      const isNone = error instanceof Error && error.name === 'NoDataFolder';
      throw isNone ? refused('NOT_FOUND', error.message) : nodeFailure(error, folder);
    })
    .finally(() => bar?.stop());
  print(terminal, options.json, asJson(found), () => asText(found));
  if (found.problemCount > 0) throw new Ended(EXIT.failed);
};

export const addVerify = (eventstore: Command, terminal: Terminal): void => {
  eventstore
    .command('verify')
    .description('Check the data folder of a node that is stopped: every record, every stream. Changes nothing.')
    .requiredOption('--data <dir>', 'folder of the node')
    .option('--json', 'print exactly one JSON value')
    .addHelpText(
      'after',
      `${examples('baton eventstore verify --data ./events', 'baton eventstore verify --data ./events --json')}
Exit code 1 when something is damaged. A torn tail is not damage: a crash left it, it was never acknowledged, and the next
start cuts it off. Damage in the last group of the log can look like one, if the node did not stop in order.
`,
    )
    .action((options: Options) => verify(terminal, options));
};
