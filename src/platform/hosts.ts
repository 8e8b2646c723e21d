import { BlockList, isIP, isIPv4 } from 'node:net';

/** The family that `BlockList` wants to know. */
export const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIPv4(address) ? 'ipv4' : 'ipv6');

export const listOf = (...subnets: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [address = '', bits] = subnet.split('/');
    list.addSubnet(address, Number(bits), familyOf(address));
  }
  return list;
};

const LOOPBACK = listOf('127.0.0.0/8', '::1/128');

/** @param address in IPv4 form where it carries one */
export const isLoopback = (address: string): boolean => LOOPBACK.check(address, familyOf(address));

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
export const embeddedIpv4 = (address: string): string | undefined => {
  const bytes = ipv6Bytes(address);
  const zeros = (from: number, to: number): boolean => bytes.slice(from, to).every((byte) => byte === 0);
  const inner = bytes.slice(12).join('.');
  if (zeros(0, 10) && bytes[10] === 0xff && bytes[11] === 0xff) return inner;
  if (bytes[0] === 0 && bytes[1] === 0x64 && bytes[2] === 0xff && bytes[3] === 0x9b && zeros(4, 12)) return inner;
  return zeros(0, 12) && !zeros(12, 15) ? inner : undefined;
};

const LOOPBACK_NAME = /^(?:.+\.)?localhost$/;

/** One name for every spelling of a host. All of loopback is one: a server that listens on every address answers on each of them. */
export const canonicalHost = (host: string): string => {
  const bare = host.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  if (isIP(bare) === 0) {
    const name = bare.replace(/\.$/, '').toLowerCase();
    return LOOPBACK_NAME.test(name) ? 'loopback' : name;
  }
  const address = isIP(bare) === 6 ? (embeddedIpv4(bare) ?? new URL(`http://[${bare}]`).hostname) : bare;
  return isLoopback(address.replace(/^\[|\]$/g, '')) ? 'loopback' : address;
};

/** Whether an address that a server listens on, as configured, can be reached from this machine only. */
export const listensOnLoopback = (host: string): boolean => canonicalHost(host) === 'loopback';

/** To listen on one of these means every address of the family; none of them can be opened. */
const LOOPBACK_OF: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
]);
export const isUnspecified = (address: string): boolean => LOOPBACK_OF.has(address);

/** Base of the URL at which this machine reaches a server that listens there. */
export const urlAt = (host: string, port: number): string => {
  const name = LOOPBACK_OF.get(host) ?? host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
};
