import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Measures } from '../core/series.ts';

/** The connections of a listener, and the bytes that went over them; as of TCP, so that TLS is in it. */
export class Traffic {
  readonly #open = new Set<Socket>();
  #received = 0;
  #sent = 0;

  constructor(server: Server | TlsServer) {
    server.on('connection', (socket: Socket) => {
      this.#open.add(socket);
      socket.once('close', () => {
        this.#open.delete(socket);
        this.#received += socket.bytesRead;
        this.#sent += socket.bytesWritten;
      });
    });
  }

  measures(): Measures {
    let [received, sent] = [this.#received, this.#sent];
    for (const socket of this.#open) {
      received += socket.bytesRead;
      sent += socket.bytesWritten;
    }
    return {
      counts: { received_bytes: received, sent_bytes: sent },
      levels: { connections_open: this.#open.size },
    };
  }
}
