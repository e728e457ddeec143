/** As ioredis says it too. */
export const timedOut = 'Command timed out';

/** Redis is there, but has not done all that it was asked for. */
export class Refused extends Error {}

export interface Failure {
  /** Without the command's arguments, which errors of ioredis carry: passwords are among them. */
  readonly reason: string;
  /** Redis answered, and so is not away. */
  readonly isRefusal: boolean;
  /** It does not know the script. */
  readonly isForgotten: boolean;
}

/** Redis answers so while it cannot do anything at all. */
const useless = /\b(?:LOADING|MASTERDOWN|CLUSTERDOWN|READONLY)\b/;

export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { reason: String(error), isRefusal: false, isForgotten: false };
  const { message, name } = error;
  const last =
    'lastNodeError' in error && error.lastNodeError instanceof Error ? error.lastNodeError : undefined;
  const isCut = name === 'MaxRetriesPerRequestError';
  return {
    reason: isCut ? 'the connection was closed' : last ? `${message} ${last.message}` : message,
    isRefusal: error instanceof Refused || (name === 'ReplyError' && !useless.test(message)),
    isForgotten: message.startsWith('NOSCRIPT'),
  };
}

/** @throws Error `timedOut` */
export async function within<Result>(timeoutMs: number, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const timeIsUp = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(timedOut));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, timeIsUp]);
  } finally {
    clearTimeout(timer);
  }
}
