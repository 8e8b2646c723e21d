import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net';
import { Agent, buildConnector } from 'undici';

/** The addresses that an agent may have. Agents are third parties: their URLs must not lead into our own network (reliability 7.5). */
export type EgressPolicy = {
  /** 127.0.0.0/8 and ::1: the embedded default, where agents run on the same machine. */
  readonly allowLoopback: boolean;
  /** Private and carrier-grade NAT ranges, for agents in the operator's own network. */
  readonly allowPrivate: boolean;
  /** Our own origins: a call to one of them would come back to us. */
  readonly ownOrigins?: readonly string[];
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

export class EgressDenied extends Error {
  override readonly name = 'EgressDenied';
  readonly code = 'URL_NOT_ALLOWED';
  readonly rule: EgressRule;
  constructor(rule: EgressRule) {
    super(`URL_NOT_ALLOWED: refused by rule ${rule}`);
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

const listOf = (...subnets: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [address = '', bits] = subnet.split('/');
    list.addSubnet(address, Number(bits), isIPv4(address) ? 'ipv4' : 'ipv6');
  }
  return list;
};

const LOOPBACK = listOf('127.0.0.0/8', '::1/128');
const PRIVATE = listOf('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7');
/**
 * Never an agent: this host, link-local (with the metadata services of clouds), benchmarks, documentation, multicast, reserved, and IPv6
 * forms that carry an IPv4 address through a relay. AWS has its metadata service in the private range as well.
 */
const RESERVED = listOf(
  '0.0.0.0/8',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  'fe80::/10',
  'fec0::/10',
  'fd00:ec2::/32',
  'ff00::/8',
);

/** The 16 bytes of an IPv6 address in any of its spellings. */
const ipv6Bytes = (address: string): number[] => {
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groupsOf = (text: string | undefined): string[] => (text ? text.split(':') : []);
  const [left, right] = [groupsOf(head), groupsOf(tail)];
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
};

/** The IPv4 address inside a mapped, compatible or NAT64 IPv6 address: such an address leads where the inner one leads. */
const embeddedIpv4 = (address: string): string | undefined => {
  const bytes = ipv6Bytes(address);
  const zeros = (from: number, to: number): boolean => bytes.slice(from, to).every((byte) => byte === 0);
  const inner = bytes.slice(12).join('.');
  if (zeros(0, 10) && bytes[10] === 0xff && bytes[11] === 0xff) return inner;
  if (bytes[0] === 0 && bytes[1] === 0x64 && bytes[2] === 0xff && bytes[3] === 0x9b && zeros(4, 12)) return inner;
  return zeros(0, 12) && !zeros(12, 15) ? inner : undefined;
};

/** The rule that refuses an IP address, if any. */
export const refusedAddress = (address: string, policy: EgressPolicy): EgressRule | undefined => {
  const plain = address.replace(/%.*$/, '');
  const version = isIP(plain);
  if (version === 0) return 'malformed';
  const inner = version === 6 ? embeddedIpv4(plain) : undefined;
  if (inner !== undefined) return refusedAddress(inner, policy);
  const family = version === 4 ? 'ipv4' : 'ipv6';
  if (RESERVED.check(plain, family)) return 'reserved';
  if (LOOPBACK.check(plain, family)) return policy.allowLoopback ? undefined : 'loopback';
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
  if (policy.ownOrigins?.includes(url.origin)) throw new EgressDenied('own_origin');
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

/**
 * A connector that makes no connection to a refused address. Node skips `lookup` for literal addresses, so those are checked first;
 * the address that was connected to is checked once more.
 */
export const guardedConnector = (
  policy: EgressPolicy,
  lookup: typeof systemLookup = systemLookup,
): buildConnector.connector => {
  const connect = buildConnector({ timeout: CONNECT_TIMEOUT_MS, lookup: guardedLookup(policy, lookup) });
  return (options, callback) => {
    try {
      const host =
        options.hostname.includes(':') && !options.hostname.startsWith('[')
          ? `[${options.hostname}]`
          : options.hostname;
      checkUrl(`${options.protocol}//${host}${options.port ? `:${options.port}` : ''}`, policy);
    } catch (error) {
      callback(error as Error, null);
      return;
    }
    connect(options, (...[error, socket]) => {
      const rule = socket?.remoteAddress === undefined ? undefined : refusedAddress(socket.remoteAddress, policy);
      if (error || !socket) return callback(error ?? new Error('no connection'), null);
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
