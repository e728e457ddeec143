import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '../config/addresses.ts';
import type { ShutdownConfig } from '../config/config.ts';
import { lookUpMs } from '../http/look-up.ts';
import type { Running } from '../http/running.ts';

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
  await allAccepted(server);
  const closed = once(server, 'close');
  server.close();
  // Also those whose last answer had begun before anybody knew that it was the last.
  const idle = setInterval(() => {
    server.closeIdleConnections();
  }, idleEveryMs);
  const end = setTimeout(() => {
    server.closeAllConnections();
  }, timeoutMs);
  server.closeIdleConnections();
  await closed;
  clearInterval(idle);
  clearTimeout(end);
}

/**
 * Resolves when nobody waits to be accepted: whoever does is reset when the listener closes, and may have sent a push
 * already. One connection is accepted in each turn of the loop (libuv, since 1.45), and one that comes while a long turn
 * runs is not seen before the next: a short one is waited for, in which nobody came.
 */
async function allAccepted(server: Listener): Promise<void> {
  let isAccepting = true;
  const onConnection = (): void => {
    isAccepting = true;
  };
  server.on('connection', onConnection);
  const begunMs = performance.now();
  for (let turnMs = Infinity; isAccepting || turnMs > quietTurnMs;) {
    isAccepting = false;
    const turnsMs = performance.now();
    await nextTurn();
    const nowMs = performance.now();
    turnMs = nowMs - turnsMs;
    if (nowMs - begunMs > acceptMs) break;
  }
  server.off('connection', onConnection);
}

const quietTurnMs = 0.1;
/** For clients that come faster than they are accepted. */
const acceptMs = 2_000;
const idleEveryMs = 50;
/** What was cut takes back what it had claimed, when it hears what it had asked for. */
const cleanUpMs = lookUpMs + 1_000;

/** The same for the door: first it says that it will, and in the end nothing is done any more for anybody. */
export async function closeDoor(
  server: Listener,
  running: Running,
  { delaySeconds, timeoutSeconds }: ShutdownConfig,
): Promise<void> {
  running.drain();
  if (server.listening && delaySeconds > 0) await sleep(delaySeconds * 1000);
  await closeServer(server, timeoutSeconds * 1000);
  const given = new AbortController();
  await Promise.race([running.idle(), sleep(cleanUpMs, undefined, { signal: given.signal })]);
  given.abort();
}

/** @returns by when a door is closed, whatever its clients and its upstream do, in milliseconds */
export function longestClosingMs({ delaySeconds, timeoutSeconds }: ShutdownConfig): number {
  return (delaySeconds + timeoutSeconds) * 1000 + cleanUpMs;
}
