import { describe, expect, it } from 'vitest';
import { listensOnLoopback, urlAt } from './hosts.ts';

describe('the URL of a server', () => {
  it.each([
    ['127.0.0.1', 'http://127.0.0.1:4000'],
    ['10.0.0.4', 'http://10.0.0.4:4000'],
    ['fd00::4', 'http://[fd00::4]:4000'],
    ['0.0.0.0', 'http://127.0.0.1:4000'],
    ['::', 'http://[::1]:4000'],
  ])('that listens on %s can be opened on this machine', (host, url) => {
    expect(urlAt(host, 4000)).toBe(url);
  });
});

describe('an address to listen on', () => {
  it.each(['127.0.0.1', '127.9.9.9', 'localhost', 'LOCALHOST', '::1', '::ffff:127.0.0.1'])('%s is loopback', (host) =>
    expect(listensOnLoopback(host)).toBe(true),
  );

  it.each(['0.0.0.0', '0', '::', '10.0.0.4', '128.0.0.1', 'localhost.example.com', 'baton.example.com'])(
    '%s is not',
    (host) => expect(listensOnLoopback(host)).toBe(false),
  );
});
