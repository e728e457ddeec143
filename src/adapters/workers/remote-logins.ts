import type { Logins } from '../token/login-limit.ts';
import type { Channel } from './channel.ts';
import { remote, served, type MethodsOf } from './remote-port.ts';

/** Counted in the primary: that there are several workers lets nobody try more passwords. */
interface RemoteLogins extends Logins {
  begin(address: string, account: string): Promise<number>;
  succeeded(address: string, account: string): Promise<void>;
}

const methods: MethodsOf<RemoteLogins> = { begin: true, succeeded: true };

/** In the primary. */
export function serveLogins(channel: Channel, logins: Logins): void {
  const port: RemoteLogins = {
    begin: async (address, account) => logins.begin(address, account),
    succeeded: async (address, account) => logins.succeeded(address, account),
  };
  channel.serve('logins', served(port, methods));
}

/** In a worker. */
export function remoteLogins(channel: Channel): Logins {
  return remote<RemoteLogins>(channel, 'logins', methods);
}
