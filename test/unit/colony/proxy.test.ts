import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorText } from '../../../src/base/errors.ts';
import { proxyFor } from '../../../src/colony/proxy.ts';

function isProxied(server: string, noProxy: string): boolean {
  const env = { HTTP_PROXY: 'http://proxy:3128', HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: noProxy };
  return proxyFor(new URL(server), env) !== undefined;
}

test('the scheme of the server chooses the variable, lower case goes first, and empty means none', () => {
  const env = { HTTP_PROXY: 'http://a:1', HTTPS_PROXY: 'https://b', https_proxy: 'http://u:p%20w@[::1]:3' };
  assert.equal(proxyFor(new URL('http://colony'), env)?.host, 'a');
  const secure = proxyFor(new URL('https://colony'), env);
  assert.deepEqual([secure?.host, secure?.port, secure?.isSecure], ['::1', 3, false]);
  assert.equal(secure?.authorization?.reveal(), `Basic ${btoa('u:p w')}`);
  assert.equal(proxyFor(new URL('http://colony'), { HTTP_PROXY: '' }), undefined);
  assert.equal(proxyFor(new URL('http://colony'), {}), undefined);
  assert.equal(proxyFor(new URL('https://colony'), { HTTPS_PROXY: 'https://b' })?.port, 443);
  assert.equal(proxyFor(new URL('http://colony'), { HTTP_PROXY: 'b:8080' })?.port, 8080);
});

test('NO_PROXY exempts names with all below them, addresses, networks and single ports', () => {
  const exempt: [string, string][] = [
    ['http://any', '*'],
    ['http://colony.example', 'other, colony.example'],
    ['http://a.colony.example', 'colony.example'],
    ['http://a.colony.example', '.COLONY.example'],
    ['http://a.colony.example', '*.colony.example'],
    ['http://colony:8080', 'colony:8080'],
    ['https://colony', 'colony:443'],
    ['http://10.1.2.3', '10.1.2.3'],
    ['http://10.1.2.3', '10.0.0.0/8'],
    ['http://[fd00::1]:80', 'fd00::1'],
    ['http://[fd00::1]:81', '[fd00::1]:81'],
    ['http://[fd00::1]', 'fd00::/16'],
  ];
  for (const [server, noProxy] of exempt) assert.ok(!isProxied(server, noProxy), `${server} ${noProxy}`);
  const proxied: [string, string][] = [
    ['http://mycolony.example', 'colony.example'],
    ['http://colony:8080', 'colony:8081'],
    ['http://11.1.2.3', '10.0.0.0/8'],
    ['http://10.1.2.3', '2.3'],
    ['http://10.1.2.3', '10.0.0.0/99'],
    ['http://10.1.2.3', 'fd00::/8'],
    ['http://colony', ' , '],
  ];
  for (const [server, noProxy] of proxied) assert.ok(isProxied(server, noProxy), `${server} ${noProxy}`);
});

test('a variable that is no HTTP proxy is refused by name, without showing what is in it', () => {
  for (const value of ['socks5://u:hidden@h', 'http://u:hidden@:x'])
    assert.throws(
      () => proxyFor(new URL('http://colony'), { HTTP_PROXY: value }),
      (error) => {
        assert.match(errorText(error), /HTTP_PROXY/);
        assert.doesNotMatch(errorText(error), /hidden/);
        return true;
      },
    );
});
