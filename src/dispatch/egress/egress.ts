import { lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, buildConnector } from 'undici';
import { embeddedIpv4, familyOf, isLoopback } from '../../platform/hosts.ts';
import { METADATA, PRIVATE, RESERVED } from './addresses.ts';
import type { OwnOrigins } from './own-origins.ts';

/** The addresses that an agent may have. Agents are third parties: their URLs must not lead into our own network (reliability 7.5). */
export type EgressPolicy = {
  /** 127.0.0.0/8 and ::1, for agents on the same machine. */
  readonly allowLoopback: boolean;
  /** Private and carrier-grade NAT ranges, for agents in the operator's own network. */
  readonly allowPrivate: boolean;
  /** Where our own servers listen: a call would come back to us. */
  readonly own?: Pick<OwnOrigins, 'has'>;
};

/** The rule that refused an address. The address behind a name is not reported: that would let anyone map our network. */
export type EgressRule =
  | 'scheme'
  | 'userinfo'
  | 'port'
  | 'loopback'
  | 'private'
  | 'reserved'
  | 'own_origin'
  | 'malformed';

/** The setting that lets an address of a rule through; nothing lets the others through. */
const ALLOWED_BY: Partial<Record<EgressRule, string>> = {
  loopback: 'BATON_ALLOW_PRIVATE_AGENTS',
  private: 'BATON_ALLOW_PRIVATE_AGENTS',
};

/** What an operator can do about a refusal. */
export const refusalText = (rule: EgressRule): string => {
  const setting = ALLOWED_BY[rule];
  return `refused by rule ${rule}${setting === undefined ? '' : `; a server with ${setting}=true allows it`}`;
};

export class EgressDenied extends Error {
  override readonly name = 'EgressDenied';
  readonly code = 'URL_NOT_ALLOWED';
  readonly rule: EgressRule;
  constructor(rule: EgressRule) {
    super(`URL_NOT_ALLOWED: ${refusalText(rule)}`);
    this.rule = rule;
  }
}

/** What browsers refuse (WHATWG fetch), and the ports of stores and control planes. */
const REFUSED_PORTS: ReadonlySet<number> = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
  111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515, 526, 530, 531,
  532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1113, 1433, 1521, 1719, 1720, 1723, 2049, 2113, 2375,
  2376, 2379, 2380, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5433, 5984, 6000, 6379, 6380, 6566, 6665, 6666,
  6667, 6668, 6669, 6679, 6697, 9042, 9200, 9300, 10080, 10250, 11211, 27017,
]);

/** The rule that refuses an IP address, if any. */
export const refusedAddress = (address: string, policy: EgressPolicy): EgressRule | undefined => {
  const plain = address.replace(/%.*$/, '');
  const version = isIP(plain);
  if (version === 0) return 'malformed';
  const inner = version === 6 ? embeddedIpv4(plain) : undefined;
  if (inner !== undefined) return refusedAddress(inner, policy);
  const family = familyOf(plain);
  if (RESERVED.check(plain, family) || METADATA.check(plain, family)) return 'reserved';
  if (isLoopback(plain)) return policy.allowLoopback ? undefined : 'loopback';
  return PRIVATE.check(plain, family) && !policy.allowPrivate ? 'private' : undefined;
};

const portOf = (url: URL): number => (url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port));

const literalOf = (hostname: string): string | undefined => {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return isIP(bare) === 0 ? undefined : bare;
};

/**
 * Checks the URL by itself. It does not look the name up: the answer may have changed by the time the connection is made, so it is checked
 * then.
 *
 * Errors: throws `EgressDenied`.
 */
export const checkUrl = (text: string, policy: EgressPolicy): URL => {
  if (!URL.canParse(text)) throw new EgressDenied('malformed');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new EgressDenied('scheme');
  if (url.username !== '' || url.password !== '') throw new EgressDenied('userinfo');
  if (REFUSED_PORTS.has(portOf(url))) throw new EgressDenied('port');
  if (policy.own?.has(url.hostname, portOf(url))) throw new EgressDenied('own_origin');
  const literal = literalOf(url.hostname);
  const rule = literal === undefined ? undefined : refusedAddress(literal, policy);
  if (rule) throw new EgressDenied(rule);
  return url;
};

type LookupCallback = Parameters<LookupFunction>[2];

/** Looks a name up and refuses it when any of its addresses is refused: one public address must not vouch for a private one. */
const guardedLookup =
  (policy: EgressPolicy, lookup: typeof systemLookup): LookupFunction =>
  (hostname, options, callback: LookupCallback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      for (const { address } of addresses) {
        const rule = refusedAddress(address, policy);
        if (rule) return callback(new EgressDenied(rule), []);
      }
      const first = addresses[0];
      if (options.all || first === undefined) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };

const CONNECT_TIMEOUT_MS = 10_000;

const urlOf = ({ protocol, hostname, port }: buildConnector.Options): string => {
  const host = hostname.includes(':') && !hostname.startsWith('[') ? `[${hostname}]` : hostname;
  return `${protocol}//${host}${port ? `:${port}` : ''}`;
};

/** Of a connection that was made, before anything is sent: a name may lead to ourselves. */
const refusedPeer = (address: string | undefined, port: number, policy: EgressPolicy): EgressRule | undefined => {
  if (address === undefined) return undefined;
  return refusedAddress(address, policy) ?? (policy.own?.has(address, port) ? 'own_origin' : undefined);
};

/**
 * A connector that makes no connection to a refused address. Node skips `lookup` for literal addresses, so those are checked first;
 * the address that was connected to is checked again.
 */
export const guardedConnector = (
  policy: EgressPolicy,
  lookup: typeof systemLookup = systemLookup,
): buildConnector.connector => {
  const connect = buildConnector({ timeout: CONNECT_TIMEOUT_MS, lookup: guardedLookup(policy, lookup) });
  return (options, callback) => {
    let url: URL;
    try {
      url = checkUrl(urlOf(options), policy);
    } catch (error) {
      callback(error as Error, null);
      return;
    }
    connect(options, (...[error, socket]) => {
      if (error || !socket) return callback(error ?? new Error('no connection'), null);
      const rule = refusedPeer(socket.remoteAddress, portOf(url), policy);
      if (!rule) return callback(null, socket);
      socket.destroy();
      callback(new EgressDenied(rule), null);
    });
  };
};

export type EgressAgentOptions = {
  /** Time without a byte of a response body, in milliseconds. */
  readonly bodyIdleMs: number;
  /** Bytes of one response, streams included. */
  readonly maxResponseBytes: number;
};

/** A pool of kept-alive connections behind the guard. It follows no redirects. */
export const createEgressAgent = (policy: EgressPolicy, options: EgressAgentOptions): Agent =>
  new Agent({
    connect: guardedConnector(policy),
    // A blocking call holds back the headers until the agent has finished: only the attempt's own time limit ends it.
    headersTimeout: 0,
    bodyTimeout: options.bodyIdleMs,
    maxResponseSize: options.maxResponseBytes,
    keepAliveTimeout: 4_000,
    pipelining: 1,
  });
