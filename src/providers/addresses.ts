/**
 * Addresses that a caller may not make this service talk to: its own machine, its neighbours, and ways around that.
 *
 * Pure. IPv4 is open unless a row closes it. IPv6 is closed unless it is global unicast (2000::/3), and rows close parts
 * of that: above all whatever carries an IPv4 address inside, which a router or a translator would take out again.
 */

import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** What may not be reached, with its reason. Ranges of the IANA special-purpose registries unless said otherwise. */
export const CLOSED_IPV4: readonly (readonly [range: string, what: string])[] = [
  ['0.0.0.0/8', 'this host'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'carrier-grade NAT; metadata of one cloud'],
  ['127.0.0.0/8', 'loopback'],
  ['168.63.129.16/32', 'host agent of one cloud, a public address'],
  ['169.254.0.0/16', 'link-local; metadata of most clouds'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'protocol assignments; metadata of one cloud'],
  ['192.0.2.0/24', 'documentation'],
  ['192.31.196.0/24', 'AS112'],
  ['192.52.193.0/24', 'AMT'],
  ['192.88.99.0/24', '6to4 relays'],
  ['192.168.0.0/16', 'private'],
  ['192.175.48.0/24', 'AS112'],
  ['198.18.0.0/15', 'benchmarks'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved, and broadcast'],
];

export const CLOSED_IPV6: readonly (readonly [range: string, what: string])[] = [
  ['::/3', 'unspecified, loopback, IPv4 inside (::/96, ::ffff:0:0/96), NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard'],
  ['2001::/23', 'protocol assignments: Teredo, ORCHID, benchmarks'],
  ['2001:db8::/32', 'documentation'],
  ['2002::/16', '6to4: IPv4 inside'],
  ['2620:4f:8000::/48', 'AS112'],
  ['3fff::/20', 'documentation'],
  ['4000::/2', 'not assigned'],
  ['8000::/1', 'not assigned, unique local (fc00::/7), link-local (fe80::/10), site-local, multicast (ff00::/8)'],
];

/** May a caller make us talk to this address? Texts that are no address may not. */
export function isOpenAddress(address: string): boolean {
  if (isIPv4(address)) return !closed(CLOSED_IPV4, 'ipv4').check(address, 'ipv4');
  // With a zone (`fe80::1%eth0`) it means this machine's own wire.
  if (!isIPv6(address) || address.includes('%')) return false;
  return !closed(CLOSED_IPV6, 'ipv6').check(address, 'ipv6');
}

const made = new Map<string, BlockList>();

function closed(rows: typeof CLOSED_IPV4, family: 'ipv4' | 'ipv6'): BlockList {
  const known = made.get(family);
  if (known !== undefined) return known;
  const list = new BlockList();
  for (const [range] of rows) {
    const [network = '', bits = ''] = range.split('/');
    list.addSubnet(network, Number(bits), family);
  }
  made.set(family, list);
  return list;
}
