import t from 'tap';
import { TokenRealm } from '../../../src/adapters/token/token-realm.ts';

t.test('where the password may go', async (t) => {
  const table: [registry: string, realm: string, goes: boolean][] = [
    ['https://registry.example', 'https://auth.example/token', true],
    ['https://registry.example', 'https://registry.example:8443/token', true],
    ['https://registry.example', 'http://registry.example/token', false],
    ['https://registry.example', 'http://auth.example/token', false],
    ['http://registry.example', 'https://auth.example/token', true],
    ['http://registry.example:5000', 'http://registry.example:5001/token', true],
    ['http://registry.example', 'http://auth.example/token', false],
    ['http://registry.example', 'http://registry.example.evil/token', false],
    ['http://registry.example', 'http://registry.example@evil/token', false],
    ['https://registry.example', 'http://localhost:5001/token', true],
    ['https://registry.example', 'http://127.0.0.1/token', true],
    ['https://registry.example', 'http://127.1/token', true],
    ['https://registry.example', 'http://[::1]:80/token', true],
    ['https://registry.example', 'http://127.0.0.1.evil/token', false],
    ['https://registry.example', 'http://localhost.evil/token', false],
    ['https://registry.example', 'https://u:p@auth.example/token', false],
    ['https://registry.example', 'ftp://registry.example/token', false],
    ['https://registry.example', '/token', false],
    ['https://registry.example', '', false],
  ];
  for (const [origin, url, goes] of table) {
    const openRealm = (): TokenRealm => new TokenRealm({ url, service: undefined }, { origin });
    if (goes) await openRealm().close();
    else t.throws(openRealm, /names no token service that can be asked/, `${origin} → ${url}`);
  }
});
