/** What the fetcher refuses before it has sent a byte. What it does with servers: test/integration/media-fetcher.test.ts. */

import { describe, expect, it } from 'vitest';
import { isOpenAddress } from '../../../src/providers/addresses.ts';
import { Fetcher } from '../../../src/providers/fetcher.ts';

const signal = new AbortController().signal;

/** A fetcher whose every name resolves to what it says: `10-0-0-1.test` is 10.0.0.1, all others are a public address. */
const fetcher = (allowHttp: boolean) =>
  new Fetcher({
    allowHttp,
    ports: [443, 8443, 80, 8080],
    resolve: async (name) => [/^(\d+)-(\d+)-(\d+)-(\d+)[.]test$/.exec(name)?.slice(1).join('.') ?? '93.184.215.14'],
  });

const outcome = async (url: string, allowHttp = true) => {
  try {
    for await (const _piece of fetcher(allowHttp).fetch(url, { maxBytes: 1000, signal })) return 'fetched';
    return 'fetched';
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : String(error);
  }
};

const HOSTILE = [
  'https://127.0.0.1/',
  'https://127.1/',
  'https://2130706433/',
  'https://0x7f.1/',
  'https://0x7f000001/',
  'https://0177.0.0.1/',
  'https://①②⑦.⓪.⓪.①/',
  'https://127。0。0。1/',
  'https://127.0.0.1./',
  'https://0/',
  'https://0.0.0.0/',
  'https://10.0.0.1/',
  'https://100.64.0.1/',
  'https://100.100.100.200/latest/meta-data/',
  'https://168.63.129.16/machine',
  'https://169.254.169.254/latest/meta-data/iam/',
  'http://169.254.169.254/computeMetadata/v1/',
  'https://172.16.0.1/',
  'https://172.31.255.255/',
  'https://192.0.0.192/opc/v2/',
  'https://192.0.2.7/',
  'https://192.88.99.1/',
  'https://192.168.1.1/',
  'https://198.18.0.1/',
  'https://198.51.100.1/',
  'https://203.0.113.1/',
  'https://224.0.0.1/',
  'https://239.255.255.255/',
  'https://240.0.0.1/',
  'https://255.255.255.255/',
  'https://[::]/',
  'https://[::1]/',
  'https://[::127.0.0.1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://[::ffff:0:127.0.0.1]/',
  'https://[64:ff9b::7f00:1]/',
  'https://[64:ff9b::10.0.0.1]/',
  'https://[64:ff9b:1::10.0.0.1]/',
  'https://[100::1]/',
  'https://[2001::1]/',
  'https://[2001:db8::1]/',
  'https://[2002:7f00:1::]/',
  'https://[2002:a00:1::1]/',
  'https://[3fff::1]/',
  'https://[5f00::1]/',
  'https://[fc00::1]/',
  'https://[fd00:ec2::254]/',
  'https://[fe80::1]/',
  'https://[fec0::1]/',
  'https://[ff02::1]/',
  'https://127-0-0-1.test/',
  'https://10-1-2-3.test/',
  'https://169-254-169-254.test/',
  'https://192-0-2-1.test/',
  'https://user@example.com/',
  'https://user:secret@example.com/',
  'https://:secret@example.com/',
  'https://example.com:22/',
  'https://example.com:6379/',
  'http://example.com:25/',
  'ftp://example.com/',
  'file:///etc/passwd',
  'gopher://example.com/_x',
  'data:image/png;base64,AAAA',
  'blob:https://example.com/1',
  'javascript:alert(1)',
  'ws://example.com/',
  '//example.com/x.png',
  '/etc/passwd',
  'example.com/x.png',
  'https://',
  'https:///x',
  'https://exa mple.com/',
  'https://[::1/',
  'https://256.256.256.256/',
  'https://example.com:99999/',
  '',
  `https://example.com/${'x'.repeat(2048)}`,
];

describe('the fetcher', () => {
  it.each(HOSTILE)('refuses %j', async (url) => {
    expect(await outcome(url)).toBe('url-refused');
  });

  it('refuses plain http unless it is told', async () => {
    expect(await outcome('http://example.com/', false)).toBe('url-refused');
  });

  it('refuses a name of which one address is not open, whichever comes first', async () => {
    for (const addresses of [['93.184.215.14', '127.0.0.1'], ['::1', '93.184.215.14'], ['fe80::1%eth0']]) {
      const mixed = new Fetcher({ allowHttp: false, ports: [443], resolve: async () => addresses });
      await expect(mixed.fetch('https://a.test/', { maxBytes: 1, signal }).next()).rejects.toMatchObject({
        code: 'url-refused',
      });
    }
  });

  it('says fetch-failed for a name that nobody knows, or that has no address', async () => {
    const nobody = new Fetcher({
      allowHttp: false,
      ports: [443],
      resolve: () => Promise.reject(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' })),
    });
    const empty = new Fetcher({ allowHttp: false, ports: [443], resolve: async () => [] });
    for (const one of [nobody, empty]) {
      await expect(one.fetch('https://a.test/', { maxBytes: 1, signal }).next()).rejects.toMatchObject({
        code: 'fetch-failed',
      });
    }
  });
});

describe('open addresses', () => {
  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '93.184.215.14',
    '100.63.255.255',
    '100.128.0.0',
    '172.32.0.1',
    '192.0.1.1',
    '223.255.255.255',
  ])('are those of the public internet: %s', (address) => {
    expect(isOpenAddress(address)).toBe(true);
  });

  it.each(['2606:4700::1111', '2a00:1450:4001::1', '2001:4860:4860::8888', '2003::1', '3ffe::1'])(
    'also %s',
    (address) => {
      expect(isOpenAddress(address)).toBe(true);
    },
  );

  it.each([
    '',
    'localhost',
    '1.1.1',
    '01.1.1.1',
    '1.1.1.1.1',
    'fe80::1%eth0',
    '2606:4700::1111%eth0',
    '::ffff:8.8.8.8',
  ])('are no others: %j', (address) => {
    expect(isOpenAddress(address)).toBe(false);
  });
});
