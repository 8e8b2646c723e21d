import { ListProjections, type ListProjectionsQuery } from 'baton-client';
import type { Command } from 'commander';
import type { ProjectionContext } from '../../projections/context.ts';
import type { Verification } from '../../projections/runner/verify.ts';
import { numberOf } from '../../wording/sentences.ts';
import { type ServerOptions, serverOptions, withClient } from '../connection.ts';
import { Ended, EXIT, usageFailure } from '../failure.ts';
import { type Column, duration, oneLine, status, table } from '../format.ts';
import { print } from '../print.ts';
import { examples } from '../program.ts';
import { progressBar } from '../progress.ts';
import type { Terminal } from '../terminal.ts';

type JsonOption = { readonly json?: boolean };

/** Imported here so that other commands start without the Postgres client. */
const withContext = async <Result>(
  terminal: Terminal,
  work: (context: ProjectionContext) => Promise<Result>,
): Promise<Result> => (await import('../projections.ts')).withProjections(terminal, work);

/** Positions become strings, as in the API. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? String(member) : member)));

const COLUMNS: readonly Column[] = [
  { title: 'NAME' },
  { title: 'STATUS' },
  { title: 'POSITION', align: 'right' },
  { title: 'BEHIND', align: 'right' },
  { title: 'LAG', align: 'right' },
  { title: 'PARKED', align: 'right' },
  { title: 'REASON' },
];

type Projection = ListProjectionsQuery['projections'][number];

const rowOf = (projection: Projection, colour: boolean): string[] => [
  `${projection.name} v${projection.version}`,
  status(projection.status.toLowerCase(), colour),
  projection.position ?? '',
  `${projection.lagEvents} events`,
  duration(projection.lagMs),
  String(projection.parked),
  oneLine(projection.reason ?? '', 100),
];

const list = async (terminal: Terminal, options: ServerOptions): Promise<void> => {
  const { projections } = await withClient(terminal, options, (client) => client.execute(ListProjections, {}));
  print(terminal, options.json, projections, () =>
    table(
      COLUMNS,
      projections.map((projection) => rowOf(projection, terminal.colour)),
    ),
  );
};

/** All of them if none is named. */
const chosen = ({ projectors }: ProjectionContext, names: readonly string[]): readonly string[] =>
  names.length > 0 ? names : projectors.map(({ name }) => name);

const BAR_STEPS = 1_000;

/** Reports of a share from 0 to 1, drawn while `work` goes on. */
const withBar = async <Result>(
  terminal: Terminal,
  what: string,
  work: (onShare: (share: number) => void) => Promise<Result>,
): Promise<Result> => {
  const bar = progressBar(terminal, what, BAR_STEPS);
  try {
    return await work((share) => bar.update(Math.round(share * BAR_STEPS)));
  } finally {
    bar.stop();
  }
};

type Rebuilt = { readonly name: string; readonly events: bigint; readonly tookMs: number };

const rebuildOne = async (terminal: Terminal, context: ProjectionContext, name: string): Promise<Rebuilt> => {
  const { rebuildProjection } = await import('../../projections/runner/rebuild.ts');
  const startedAt = performance.now();
  let events = 0n;
  await withBar(terminal, `rebuilding ${name}`, (onShare) =>
    rebuildProjection(context, name, {
      onProgress: (progress) => {
        events = progress.events;
        onShare(progress.share);
      },
    }),
  );
  return { name, events, tookMs: Math.round(performance.now() - startedAt) };
};

const rebuild = async (
  terminal: Terminal,
  names: readonly string[],
  options: JsonOption & { readonly all?: boolean },
): Promise<void> => {
  if ((options.all === true) === names.length > 0)
    throw usageFailure('name projections, or --all', 'baton projections rebuild --help');
  const rebuilt = await withContext(terminal, async (context) => {
    const done: Rebuilt[] = [];
    for (const name of chosen(context, names)) done.push(await rebuildOne(terminal, context, name));
    return done;
  });
  print(terminal, options.json, plain(rebuilt), () =>
    rebuilt
      .map(({ name, events, tookMs }) => `${name}: ${numberOf(events, 'event')} in ${duration(tookMs)}\n`)
      .join(''),
  );
};

type Verified = Verification & { readonly name: string };

const verified = ({ tables }: Verified): boolean => tables.every(({ equal }) => equal);

const verificationRows = (one: Verified): string[][] =>
  one.tables.map(({ name, rows, liveDigest, rebuiltDigest, equal }) => [
    one.name,
    name,
    String(rows),
    String(one.position),
    liveDigest,
    equal ? 'equal' : `DIFFERENT from ${rebuiltDigest}`,
  ]);

const verify = async (terminal: Terminal, names: readonly string[], { json }: JsonOption): Promise<void> => {
  const { verifyProjection } = await import('../../projections/runner/verify.ts');
  const results = await withContext(terminal, async (context) => {
    const done: Verified[] = [];
    for (const name of chosen(context, names)) {
      const verification = await withBar(terminal, `verifying ${name}`, (onProgress) =>
        verifyProjection(context, name, { onProgress }),
      );
      done.push({ name, ...verification });
    }
    return done;
  });
  const columns = ['PROJECTION', 'TABLE', 'ROWS', 'POSITION', 'DIGEST', 'REBUILT'].map((title) => ({ title }));
  print(terminal, json, plain(results.map((one) => ({ ...one, verified: verified(one) }))), () =>
    table(columns, results.flatMap(verificationRows)),
  );
  if (!results.every(verified)) throw new Ended(EXIT.failed);
};

const retry = async (terminal: Terminal, name: string, { json }: JsonOption): Promise<void> => {
  const { retryParked } = await import('../../projections/runner/retry-parked.ts');
  const result = await withContext(terminal, (context) => retryParked(context, name));
  print(terminal, json, { name, ...result }, () => `${name}: ${result.retried} retried, ${result.remaining} parked\n`);
  if (result.remaining > 0) throw new Ended(EXIT.failed);
};

export const addProjections = (program: Command, terminal: Terminal): void => {
  const projections = program.command('projections').description('Inspect, rebuild and verify the read models.');
  const add = (usage: string, description: string, ...lines: string[]): Command =>
    projections
      .command(usage)
      .description(description)
      .option('--json', 'print exactly one JSON value')
      .addHelpText(
        'after',
        `${examples(...lines)}
Uses EVENTSTORE_URL and DATABASE_URL, else the stores of the server that runs from the data directory.\n`,
      );
  serverOptions(projections.command('list').description('Show the position, lag and parked events of each projection.'))
    .addHelpText('after', examples('baton projections list'))
    .action((options: ServerOptions) => list(terminal, options));
  add(
    'rebuild [names...]',
    'Rebuild read models from the log. Until a rebuild is done, queries on that model answer UNAVAILABLE.',
    'baton projections rebuild tasks',
    'baton projections rebuild --all',
  )
    .option('--all', 'every read model')
    .action((names: readonly string[], options: JsonOption & { all?: boolean }) => rebuild(terminal, names, options));
  add(
    'verify [names...]',
    'Fold the log again beside the live read models and compare; all of them if none is named.',
    'baton projections verify',
    'baton projections verify tasks --json',
  ).action((names: readonly string[], options: JsonOption) => verify(terminal, names, options));
  add(
    'retry <name>',
    'Retry parked events after their cause was fixed. Exit code 1 when some of them stay parked.',
    'baton projections retry tasks',
  ).action((name: string, options: JsonOption) => retry(terminal, name, options));
};
