import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../platform/logger.ts';
import { freePort } from './ports.ts';
import { obtainRedisProgram } from './redis-program.ts';
import { secretIn } from './secret.ts';
import { ServerStartError, startServer } from './server-process.ts';
import type { Service } from './supervise.ts';

export type RedisOptions = {
  /** Absolute; must exist. */
  readonly dataDir: string;
  readonly logger: Logger;
  /** Whether a missing server may be installed with the machine's package manager. */
  readonly allowInstall: boolean;
  readonly onSpawn?: (pid: number) => void;
  /** Default: any free port. */
  readonly port?: number | undefined;
  /** `false` keeps nothing on disk; for tests. Default true. */
  readonly durable?: boolean;
};

const HOST = '127.0.0.1';
const READY_MS = 30_000; // Redis first reads the append-only file, which may be large
const TRIES = 3;

/** Goes into a file of mode 0600: every user of the machine can see a program's arguments. */
const configuration = (data: string, port: number, password: string, durable: boolean): string =>
  [
    `bind ${HOST}`,
    `port ${port}`,
    `requirepass ${password}`,
    `dir ${JSON.stringify(data)}`,
    'daemonize no',
    'save ""',
    `appendonly ${durable ? 'yes' : 'no'}`,
    'appendfsync everysec',
    // BullMQ's keys are not a cache: when memory is short, writes must fail visibly.
    'maxmemory-policy noeviction',
    '',
  ].join('\n');

/** What Redis prints when it cannot load an append-only file or snapshot. */
const DAMAGED =
  /Bad file format|Unexpected end of file|Wrong signature|Can't handle RDB|error reading the append only file|Fatal error loading|AOF MANIFEST FILE ERROR/i;

/**
 * Starts our own Redis on a free port of the loopback interface. The next start uses the same data. Data that Redis cannot read is moved
 * aside: everything in Redis can be rebuilt from the log.
 *
 * Errors: `AppError` UNAVAILABLE or `ServerStartError`, with what is missing.
 */
export const startRedis = async ({ dataDir, logger, ...options }: RedisOptions): Promise<Service> => {
  const program = await obtainRedisProgram(options.allowInstall, logger);
  const password = await secretIn(join(dataDir, 'redis.password'));
  const data = join(dataDir, 'redis');
  const configFile = join(dataDir, 'redis.conf');
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort(HOST));
    await mkdir(data, { recursive: true, mode: 0o700 });
    await writeFile(configFile, configuration(data, port, password, options.durable ?? true), { mode: 0o600 });
    try {
      const server = await startServer(
        {
          name: 'redis',
          command: program,
          args: [configFile],
          cwd: data,
          ready: /Ready to accept connections/,
          readyWithinMs: READY_MS,
          stopSignal: 'SIGTERM',
          abortSignal: 'SIGTERM',
          onSpawn: options.onSpawn,
        },
        logger,
      );
      return { ...server, port, url: `redis://:${password}@${HOST}:${port}` };
    } catch (error) {
      if (attempt === TRIES || !(error instanceof ServerStartError)) throw error;
      if (options.port === undefined && /Address already in use/.test(error.output)) continue;
      if (!DAMAGED.test(error.output)) throw error;
      const aside = `${data}.damaged-${Date.now()}`;
      logger.warn(`Redis cannot read its data: moving it to ${aside} and refilling the queues from the log`);
      await rename(data, aside);
    }
  }
};
