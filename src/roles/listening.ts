import { holderOf } from '../embedded/data-dir.ts';
import { portProblem } from '../embedded/ports.ts';
import type { Config } from '../platform/config.ts';
import { AppError, ConfigError } from '../platform/errors.ts';

const inUse = ({ host, port, dataDir }: Config): AppError => {
  const holder = holderOf(dataDir);
  const [who, advice] =
    holder === undefined
      ? ['', `set BATON_PORT to another, or 0 for a free one`]
      : [` by process ${holder.pid}, which runs from ${dataDir}`, 'stop it, or use the server that is there'];
  return new AppError('CONFLICT', `port ${port} on ${host} is in use${who}; ${advice}`);
};

/** Why a server cannot listen where its configuration says. */
export const cannotListen = (code: string | undefined, config: Config): Error => {
  const { host, port } = config;
  if (code === 'EADDRINUSE') return inUse(config);
  if (code === 'EACCES')
    return new ConfigError([`BATON_PORT="${port}": this user may not listen on it; choose 1024 or above`]);
  const reason = code === 'EADDRNOTAVAIL' ? 'this machine has no such address' : `cannot listen there: ${code}`;
  return new ConfigError([`BATON_HOST="${host}": ${reason}`]);
};

/** Before stores are started, which takes seconds. Errors: `AppError` `CONFLICT` or `ConfigError`. */
export const refuseTakenPort = async (config: Config): Promise<void> => {
  if (!config.roles.includes('api')) return;
  const problem = await portProblem(config.port, config.host);
  if (problem !== undefined) throw cannotListen(problem, config);
};
