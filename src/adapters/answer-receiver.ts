import type { HeaderList } from '../core/header-list.ts';

/** The beginning of an answer, as it came. */
export interface AnswerHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: HeaderList;
}

/**
 * Hears the answer to a request as it arrives: one head, then bytes, then its end; or a failure in place of what is
 * missing, and nothing after it.
 */
export interface AnswerReceiver {
  onHead(head: AnswerHead): void;
  /** `free` must be called once the bytes have been written, or are not wanted: no more than a few are read ahead. */
  onBytes(bytes: Buffer, free: () => void): void;
  onEnd(): void;
  onFailure(error: Error): void;
}

/** A request on its way. */
export interface Sending {
  /** Ends it as soon as possible; the receiver hears nothing more. */
  abort(): void;
}
