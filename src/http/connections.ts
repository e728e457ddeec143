import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { BlockList, Socket } from 'node:net';
import { networkOf } from '../adapters/client-network.ts';
import { isTrustedProxy, peerOf } from './forwarded.ts';

export interface ConnectionLimits {
  /** Open at once; 0: as many as come. */
  readonly connections: number;
  /** The same for one address; what trusted proxies bring is of many. */
  readonly connectionsPerAddress: number;
  readonly trustedProxies: BlockList | undefined;
  /** Between two requests of a connection, the head of the second included. */
  readonly silenceMs: number;
  /** Hears of each that is ended at once, by which limit. */
  readonly onRefused: (limit: 'limits.connections' | 'limits.connections_per_address') => void;
}

/** Ends what is one connection too many, before a byte of it is read, and what waits between requests for too long. */
export function limitConnections(server: Server | TlsServer, limits: ConnectionLimits): void {
  const { connections, connectionsPerAddress } = limits;
  const open = new Map<string, number>();
  let all = 0;
  // Of TCP: TLS is still to be spoken, and costs more than all of this.
  server.on('connection', (socket: Socket) => {
    const address = ownerOf(socket, limits.trustedProxies);
    const own = (address === undefined ? 0 : (open.get(address) ?? 0)) + 1;
    const isTooMany = connections > 0 && all >= connections;
    const isTooManyOfOne = connectionsPerAddress > 0 && own > connectionsPerAddress && address !== undefined;
    if (isTooMany || isTooManyOfOne) {
      limits.onRefused(isTooMany ? 'limits.connections' : 'limits.connections_per_address');
      socket.destroy();
      return;
    }
    all += 1;
    if (address !== undefined) open.set(address, own);
    socket.once('close', () => {
      all -= 1;
      if (address !== undefined) leave(open, address);
    });
  });
  limitSilence(server, limits.silenceMs);
}

/** Undefined where it is nobody's own. */
function ownerOf(socket: Socket, trusted: BlockList | undefined): string | undefined {
  const peer = peerOf(socket);
  return isTrustedProxy(trusted, peer) ? undefined : networkOf(peer);
}

function leave(open: Map<string, number>, address: string): void {
  const left = (open.get(address) ?? 0) - 1;
  if (left > 0) open.set(address, left);
  else open.delete(address);
}

/**
 * Node counts from the last byte, and so one empty line now and then would keep a connection for ever once it has had
 * a request.
 */
function limitSilence(server: Server | TlsServer, silenceMs: number): void {
  const states = new WeakMap<Socket, { running: number; readonly silence: NodeJS.Timeout }>();
  const onRequest = ({ socket }: IncomingMessage, res: ServerResponse): void => {
    const known = states.get(socket);
    const state = known ?? { running: 0, silence: setTimeout(end, silenceMs, socket).unref() };
    if (!known) {
      states.set(socket, state);
      socket.once('close', () => {
        clearTimeout(state.silence);
      });
    }
    state.running += 1;
    res.once('close', () => {
      state.running -= 1;
      state.silence.refresh();
    });
  };
  const end = (socket: Socket): void => {
    if (states.get(socket)?.running === 0) socket.destroy();
  };
  server.on('request', onRequest).on('checkContinue', onRequest);
}
