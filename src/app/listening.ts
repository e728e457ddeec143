import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Address } from '../config/addresses.ts';

export type Listener = Server | TlsServer;

/**
 * @returns where it is, as `127.0.0.1:8080`
 * @throws Error of node:net where the address cannot be had
 */
export async function listen(server: Listener, { host, port }: Address): Promise<string> {
  server.listen(port, host);
  await once(server, 'listening');
  const { address, family, port: actual } = server.address() as AddressInfo;
  return family === 'IPv6' ? `[${address}]:${actual}` : `${address}:${actual}`;
}

/** Accepts nothing new, ends idle connections, and lets what runs come to its end, for a while. */
export async function closeServer(server: Listener, timeoutMs: number): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => {
    server.closeAllConnections();
  }, timeoutMs);
  await closed;
  clearTimeout(timer);
}
