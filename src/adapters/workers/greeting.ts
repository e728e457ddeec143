import type { Channel } from './channel.ts';

const portName = 'greeting';

/** Of a worker: from now on it can be asked. */
export async function greet(channel: Channel): Promise<void> {
  await channel.ask(portName, 'greet', []);
}

/** Of a primary: resolves when the worker has greeted; what is sent to a process before it listens is lost. */
export function greeted(channel: Channel): Promise<void> {
  return new Promise((resolve) => {
    channel.serve(portName, {
      greet: () => {
        resolve();
      },
    });
  });
}
