import type { Test } from 'tap';
import type { Engine } from '../fixtures/docker.ts';
import { imageOf } from '../fixtures/image.ts';
import { temporaryDirectory, type Outcome } from '../fixtures/program.ts';
import { writtenLayout, type LayoutClientWithLogin, type User } from './layout-client.ts';

/** A client with an empty file of credentials, never that of the user who runs the tests. */
export interface Session {
  readonly login: (address: string, user: User) => Promise<Outcome>;
  /** Has an image ready for this reference, another one for each text. */
  readonly build: (reference: string, text: string) => Promise<void>;
  /** Pushes what was built last for this reference. */
  readonly push: (reference: string) => Promise<Outcome>;
  readonly pull: (reference: string) => Promise<Outcome>;
}

/** docker, or a client that copies layouts. */
export interface AuthClient extends Omit<LayoutClientWithLogin, 'clientIn'> {
  /** Whether the last line that it prints is the registry's error, and nothing else. */
  readonly printsErrorAlone: boolean;
  readonly open: (t: Test) => Session;
}

export function dockerSessions(engine: () => Engine): AuthClient {
  return {
    name: 'docker',
    asksAtLogin: true,
    saysWhyNoToken: true,
    printsErrorAlone: true,
    open: (t) => {
      const directory = temporaryDirectory(t);
      const docker = (...args: readonly string[]): Promise<Outcome> =>
        engine().docker('--config', directory, ...args);
      return {
        login: (address, { name, password }) =>
          docker('login', '--username', name, '--password', password, address),
        build: (reference, text) => engine().importImage(reference, { 'content.txt': text }),
        push: (reference) => docker('push', reference),
        pull: async (reference) => {
          const removed = await docker('image', 'rm', reference);
          return removed.exitCode === 0 ? docker('pull', reference) : removed;
        },
      };
    },
  };
}

export function layoutSessions({ clientIn, ...traits }: LayoutClientWithLogin): AuthClient {
  return {
    ...traits,
    printsErrorAlone: false,
    open: (t) => {
      const client = clientIn(temporaryDirectory(t));
      const layouts = new Map<string, string>();
      return {
        login: client.login,
        build: (reference, text) => {
          layouts.set(reference, writtenLayout(t, imageOf(text)));
          return Promise.resolve();
        },
        push: (reference) => client.push(layouts.get(reference) ?? '', 'image', reference),
        pull: (reference) => client.pull(reference, temporaryDirectory(t), 'image'),
      };
    },
  };
}
