import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Address } from '../config/addresses.ts';
import type { Config } from '../config/config.ts';
import type { Ending } from './ending.ts';

/** How long running requests may go on once the end has been asked for. */
const closeMs = 10_000;

type Listener = Server | TlsServer;

/** Where clients, and operators, find us: as `127.0.0.1:8080`. */
export interface Addresses {
  readonly address: string;
  readonly adminAddress: string;
}

/** @throws Error of node:net where an address cannot be had */
export async function listenAt(
  config: Config,
  { server, admin }: { readonly server: Listener; readonly admin: Listener },
  ending: Ending,
): Promise<Addresses> {
  ending.add(async () => {
    await Promise.all([closeServer(server), closeServer(admin)]);
  });
  return {
    address: await listen(server, config.listen),
    adminAddress: await listen(admin, config.admin.listen),
  };
}

async function listen(server: Listener, { host, port }: Address): Promise<string> {
  server.listen(port, host);
  await once(server, 'listening');
  const { address, family, port: actual } = server.address() as AddressInfo;
  return family === 'IPv6' ? `[${address}]:${actual}` : `${address}:${actual}`;
}

/** Accepts nothing new, ends idle connections, and lets what runs come to its end, for a while. */
async function closeServer(server: Listener): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => {
    server.closeAllConnections();
  }, closeMs);
  await closed;
  clearTimeout(timer);
}
