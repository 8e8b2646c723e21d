import { describe, expect, it } from 'vitest';
import { checkUrl, EgressDenied, type EgressPolicy, refusedAddress } from './egress.ts';
import { OwnOrigins } from './own-origins.ts';

const own = new OwnOrigins(['https://baton.example.com', 'http://93.184.216.34:4000', 'http://127.0.0.1:4000']);
const strict: EgressPolicy = { allowLoopback: false, allowPrivate: false, own };
const embedded: EgressPolicy = { allowLoopback: true, allowPrivate: false, own };
const intranet: EgressPolicy = { allowLoopback: true, allowPrivate: true };

const ruleOf = (url: string, policy: EgressPolicy = strict): string => {
  try {
    checkUrl(url, policy);
    return 'allowed';
  } catch (error) {
    if (error instanceof EgressDenied) return error.rule;
    throw error;
  }
};

describe('the URL of an agent', () => {
  it.each([
    ['http://2130706433/', 'loopback'],
    ['http://0x7f.1/', 'loopback'],
    ['http://0177.0.0.1/', 'loopback'],
    ['http://127.1/', 'loopback'],
    ['http://①②⑦.⓪.⓪.①/', 'loopback'],
    ['http://127。0。0。1/', 'loopback'],
    ['http://[::ffff:127.0.0.1]/', 'loopback'],
    ['http://[::ffff:7f00:1]/', 'loopback'],
    ['http://[::1]/', 'loopback'],
    ['http://[64:ff9b::7f00:1]/', 'loopback'],
    ['http://[::7f00:1]/', 'loopback'],
    ['http://[::]/', 'reserved'],
    ['http://0/', 'reserved'],
    ['http://0.0.0.0/', 'reserved'],
    ['http://[fd00:ec2::254]/', 'reserved'],
    ['http://169.254.169.254/latest/meta-data', 'reserved'],
    ['http://[::ffff:169.254.169.254]/', 'reserved'],
    ['http://[fe80::1]/', 'reserved'],
    ['http://[2002:7f00:1::]/', 'reserved'],
    ['http://224.0.0.1/', 'reserved'],
    ['http://255.255.255.255/', 'reserved'],
    ['http://10.1.2.3/', 'private'],
    ['http://172.16.0.1/', 'private'],
    ['http://192.168.1.1/', 'private'],
    ['http://100.64.0.1/', 'private'],
    ['http://[fc00::1]/', 'private'],
    ['file:///etc/passwd', 'scheme'],
    ['gopher://example.com/', 'scheme'],
    ['ftp://example.com/', 'scheme'],
    ['data:text/plain,x', 'scheme'],
    ['http+unix://x/', 'scheme'],
    ['http://example.com:22/', 'port'],
    ['http://example.com:25/', 'port'],
    ['http://example.com:2113/', 'port'],
    ['http://example.com:5432/', 'port'],
    ['http://example.com:6379/', 'port'],
    ['http://user:pw@example.com/', 'userinfo'],
    ['http://user@example.com/', 'userinfo'],
    ['https://baton.example.com/a2a', 'own_origin'],
    ['http://BATON.example.com./graphql', 'own_origin'],
    ['http://93.184.216.34:4000/graphql', 'own_origin'],
    ['http://[::ffff:93.184.216.34]:4000/graphql', 'own_origin'],
    ['no url', 'malformed'],
    ['', 'malformed'],
  ])('is refused: %s by %s', (url, rule) => {
    expect(ruleOf(url)).toBe(rule);
  });

  it.each(['https://example.com/agent', 'http://evil.com#@good.com', 'http://8.8.8.8/', 'http://[2606:4700::1111]/'])(
    'is allowed when it is public: %s',
    (url) => {
      expect(ruleOf(url)).toBe('allowed');
    },
  );

  it('is allowed only on loopback by the embedded default', () => {
    expect(ruleOf('http://127.0.0.1:41241/', embedded)).toBe('allowed');
    expect(ruleOf('http://[::1]:41241/', embedded)).toBe('allowed');
    expect(ruleOf('http://10.0.0.1/', embedded)).toBe('private');
    expect(ruleOf('http://0.0.0.0/', embedded)).toBe('reserved');
    expect(ruleOf('http://127.0.0.1:6379/', embedded)).toBe('port');
    for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', 'a.localhost.', '[::1]', '[::ffff:127.0.0.1]'])
      expect(ruleOf(`http://${host}:4000/graphql`, embedded)).toBe('own_origin');
    expect(ruleOf('https://baton.example.com:8443/', embedded)).toBe('allowed');
  });

  it('is allowed in private ranges if the operator allows it, except for metadata services', () => {
    expect(ruleOf('http://10.0.0.1/', intranet)).toBe('allowed');
    expect(ruleOf('http://[fd12::1]/', intranet)).toBe('allowed');
    for (const host of [
      '169.254.169.254',
      '169.254.170.2',
      '100.100.100.200',
      '[::ffff:100.100.100.200]',
      '168.63.129.16',
      '192.0.0.192',
      '[fd00:ec2::254]',
      '[fd20:ce::254]',
      '[fd00:c1::a9fe:a9fe]',
      '[fd00:42::42]',
      '[fe80::a9fe:a9fe]',
    ])
      expect(ruleOf(`http://${host}/`, intranet), host).toBe('reserved');
    expect(ruleOf('http://100.100.100.201/', intranet)).toBe('allowed');
    expect(ruleOf('http://127.0.0.1/', intranet)).toBe('allowed');
  });

  it('is refused without revealing its address', () => {
    expect(new EgressDenied('private').message).toBe(
      'URL_NOT_ALLOWED: refused by rule private; a server with BATON_ALLOW_PRIVATE_AGENTS=true allows it',
    );
    expect(new EgressDenied('reserved').message).toBe('URL_NOT_ALLOWED: refused by rule reserved');
  });
});

describe('an address that a name resolved to', () => {
  it('is checked in every notation', () => {
    expect(refusedAddress('fe80::1%eth0', strict)).toBe('reserved');
    expect(refusedAddress('::FFFF:10.0.0.1', strict)).toBe('private');
    expect(refusedAddress('0:0:0:0:0:0:0:1', strict)).toBe('loopback');
    expect(refusedAddress('93.184.216.34', strict)).toBeUndefined();
    expect(refusedAddress('localhost', strict)).toBe('malformed');
  });
});
