import t from 'tap';
import { LoginLimit } from '../../../src/adapters/token/login-limit.ts';
import { ManualClock } from '../../fixtures/clock.ts';

function begun(limit: LoginLimit, count: number, address: string, account: (at: number) => string): number[] {
  return Array.from({ length: count }, (_, at) => limit.begin(address, account(at)));
}

t.test('ten for an account, fifty for an address, in a minute', (t) => {
  const clock = new ManualClock();
  const limit = new LoginLimit(clock);
  t.same(
    begun(limit, 10, '192.0.2.1', () => 'dev'),
    Array(10).fill(0),
  );
  t.equal(limit.begin('192.0.2.1', 'dev'), 60);
  clock.jump(1);
  t.equal(limit.begin('192.0.2.1', 'dev'), 60);
  clock.jump(30_000);
  t.equal(limit.begin('192.0.2.1', 'dev'), 30);
  t.equal(limit.begin('192.0.2.2', 'dev'), 0);
  t.same(
    begun(limit, 40, '192.0.2.1', (at) => `user${at}`),
    Array(40).fill(0),
  );
  t.ok(limit.begin('192.0.2.1', 'another') > 0);
  clock.jump(30_000);
  t.equal(limit.begin('192.0.2.1', 'dev'), 0);
  t.end();
});

t.test('what is refused does not prolong the wait', (t) => {
  const clock = new ManualClock();
  const limit = new LoginLimit(clock);
  begun(limit, 10, 'a', () => 'dev');
  for (let second = 60; second > 0; second -= 1) {
    t.equal(limit.begin('a', 'dev'), second);
    clock.jump(1_000);
  }
  t.equal(limit.begin('a', 'dev'), 0);
  t.end();
});

t.test('a password that was right is no attempt', (t) => {
  const limit = new LoginLimit(new ManualClock());
  for (let at = 0; at < 200; at += 1) {
    t.equal(limit.begin('a', 'dev'), 0);
    limit.succeeded('a', 'dev');
  }
  begun(limit, 9, 'a', () => 'dev');
  limit.succeeded('a', 'dev');
  t.same([limit.begin('a', 'dev'), limit.begin('a', 'dev')], [0, 0]);
  t.ok(limit.begin('a', 'dev') > 0, 'it takes back its own attempt alone');
  t.end();
});

t.test('a network of IPv6 is one address', (t) => {
  const same = [
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:DB8:1:2::'],
    ['2001:db8::1', '2001:db8:0:0:5::', '2001:db8:0:0:1:2:3:4'],
    ['::1', '::2', '0:0:0:0:1::'],
    ['fd00::1:2:3:4:5', 'fd00:0:0:1:9::'],
  ];
  for (const addresses of same) {
    const limit = new LoginLimit(new ManualClock());
    for (let at = 0; at < 10; at += 1) limit.begin(addresses[at % addresses.length] ?? '', 'dev');
    for (const address of addresses) t.ok(limit.begin(address, 'dev') > 0, address);
    t.equal(limit.begin('2001:db8:1:3::1', 'dev'), 0, 'the next network');
    t.equal(limit.begin('192.0.2.1', 'dev'), 0);
  }
  t.end();
});
