import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Surroundings } from '../config/load.ts';

/** Where a running Tagwarden is asked, and with what. */
export interface InstanceAddress {
  /** Of its admin listener, as `http://127.0.0.1:9090`. */
  readonly instance?: string;
  /** Holds the token; absent: the environment does. */
  readonly tokenFile?: string;
}

export const tokenVariable = 'TAGWARDEN_API_TOKEN';

/** A running Tagwarden did not do what it was asked; the message says why. */
export class InstanceError extends Error {}

export interface InstanceQuestion {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
}

const answerMs = 60_000;

/**
 * Asks the management API of a running Tagwarden.
 * @returns the JSON that it answers; undefined where it answers nothing
 * @throws InstanceError
 */
export async function askInstance(
  address: InstanceAddress,
  around: Pick<Surroundings, 'env' | 'cwd'>,
  { method, path, body }: InstanceQuestion,
): Promise<unknown> {
  const { instance = '' } = address;
  const headers = { Authorization: `Bearer ${tokenOf(address, around)}` };
  const text = body === undefined ? undefined : JSON.stringify(body);
  const answer = await fetch(`${instance.replace(/\/$/, '')}${path}`, {
    method,
    headers: { ...headers, ...(text !== undefined && { 'Content-Type': 'application/json' }) },
    ...(text !== undefined && { body: text }),
    signal: AbortSignal.timeout(answerMs),
    // A token is not shown to whoever a redirect names.
    redirect: 'error',
  }).catch((error: unknown) => {
    throw new InstanceError(`${instance} does not answer (${reasonOf(error)})`);
  });
  const received = await answer.text();
  if (answer.ok) return received === '' ? undefined : parsed(instance, received);
  throw new InstanceError(`${instance} answers ${answer.status}: ${wordsOf(received)}`);
}

function tokenOf({ tokenFile }: InstanceAddress, { env, cwd }: Pick<Surroundings, 'env' | 'cwd'>): string {
  if (tokenFile === undefined) {
    const token = env[tokenVariable];
    if (token !== undefined && token !== '') return token;
    throw new InstanceError(
      `no token for it: give --token-file FILE, or ${tokenVariable} in the environment`,
    );
  }
  try {
    return readFileSync(resolve(cwd, tokenFile), 'utf8').trim();
  } catch (error) {
    throw new InstanceError(
      `cannot read ${tokenFile}: ${(error as NodeJS.ErrnoException).code ?? 'it failed'}`,
    );
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error
    ? cause.message || ((cause as NodeJS.ErrnoException).code ?? '')
    : error.message;
}

function parsed(instance: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InstanceError(`${instance} answers what is no JSON: is it the admin listener?`);
  }
}

/** Errors as GitLab words them: `{"message": …}` of a text, a list or lists by field, or `{"error": …}`. */
function wordsOf(text: string): string {
  try {
    const body = JSON.parse(text) as { readonly message?: unknown; readonly error?: unknown } | null;
    const words = body?.message ?? body?.error;
    if (typeof words === 'string') return words;
    if (words !== undefined) return JSON.stringify(words);
  } catch {
    // What is no JSON is told as it is.
  }
  return text.slice(0, 200);
}
