import type { Config } from '../../platform/config.ts';
import { listensOnLoopback } from '../../platform/hosts.ts';
import type { EgressPolicy } from './egress.ts';
import type { OwnOrigins } from './own-origins.ts';

type EgressConfig = Pick<Config, 'allowPrivateAgents' | 'eventStoreUrl' | 'host' | 'roles'>;

/**
 * Whoever can reach the API can have agents called. Loopback is theirs already when the API listens there only; a process without API says
 * nothing about that, except where all stores are its own.
 */
export const egressOf = (
  { allowPrivateAgents, eventStoreUrl, host, roles }: EgressConfig,
  own: OwnOrigins,
): EgressPolicy => {
  const alone = roles.includes('api') || eventStoreUrl === undefined;
  return {
    allowLoopback: allowPrivateAgents || (alone && listensOnLoopback(host)),
    allowPrivate: allowPrivateAgents,
    own,
  };
};
