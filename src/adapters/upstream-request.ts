import type { Readable } from 'node:stream';
import type { HeaderList } from '../core/header-list.ts';

export interface UpstreamRequest {
  readonly method: string;
  /** Origin-form, as printed from an operation. */
  readonly target: string;
  readonly headers: HeaderList;
  readonly body?: Buffer | Readable;
}
