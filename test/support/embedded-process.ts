import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { EmbeddedConfig, EmbeddedOptions } from '../../src/embedded/stack.ts';
import { addressOf, runScript } from './run-source.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Ends when its standard input does: with whoever started it. */
const SCRIPT = `
  const [config, options, logLevel] = JSON.parse(process.argv[1]);
  const { startEmbedded } = await import(${JSON.stringify(addressOf('embedded/stack.ts'))});
  const { createLogger } = await import(${JSON.stringify(addressOf('platform/logger.ts'))});
  const { stop, ...started } = await startEmbedded(config, createLogger(logLevel), options);
  console.log(JSON.stringify(started));
  const end = () => stop().then(() => process.exit(0));
  process.once('SIGTERM', end);
  process.stdin.once('end', end).resume();
`;

export type EmbeddedProcess = {
  readonly eventStoreUrl: string;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly processes: readonly { readonly name: string; readonly pid: number }[];
  /** Of the process that started the servers. */
  readonly pid: number;
  /** Resolves when that process has ended. */
  kill(signal: NodeJS.Signals): Promise<void>;
};

/** Starts the embedded servers from a process of their own. */
export const startInOtherProcess = async (
  config: EmbeddedConfig,
  options: EmbeddedOptions = {},
  logLevel = 'silent',
): Promise<EmbeddedProcess> => {
  const args = [...runScript(SCRIPT), '--', JSON.stringify([config, options, logLevel])];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const line = await new Promise<string>((resolve, reject) => {
    const lines = createInterface({ input: child.stdout });
    lines.once('line', resolve);
    lines.once('close', () => reject(new Error('the embedded servers did not start; see above')));
  });
  return {
    ...(JSON.parse(line) as Omit<EmbeddedProcess, 'pid' | 'kill'>),
    pid: child.pid ?? 0,
    async kill(signal) {
      child.kill(signal);
      await exited;
    },
  };
};
